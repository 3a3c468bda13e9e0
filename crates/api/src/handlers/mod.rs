//! What each route does: one file a route or resource.

mod counts;
mod delete;
mod link_video;
mod links;
pub mod multipart;
mod openapi;
mod presigned_url;
mod retry;
mod root;
mod videos;

pub use counts::counts;
pub use delete::{delete_video, delete_videos};
pub use link_video::link_video;
pub use links::create_links;
pub use openapi::document;
pub use presigned_url::{presigned_url, presigned_url_of_link, presigned_url_without_project};
pub use retry::retry;
pub use root::{hello, root};
pub use videos::videos;
