//! What handlers take from a request, checked: who, which path, which query.

mod admin;
mod client_path;
mod path;
mod query;

pub use admin::Admin;
pub use client_path::{ClientPath, strip_stage};
pub use path::project_and_step;
pub use query::{PROJECT_IS_EMPTY, Query};
