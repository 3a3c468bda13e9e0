//! What each route does: one file a route or resource.

mod openapi;
mod presigned_url;
mod retry;
mod root;
mod videos;

pub use openapi::document;
pub use presigned_url::{presigned_url, presigned_url_without_project};
pub use retry::retry;
pub use root::{hello, root};
pub use videos::videos;
