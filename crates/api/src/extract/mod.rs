//! What handlers take from a request, checked: who, which path, which query, which body.

mod access;
mod admin;
mod body;
mod client_path;
mod origin;
mod path;
mod query;

pub use access::Access;
pub use admin::Admin;
pub use body::{Body, StepField};
pub use client_path::{ClientPath, client_url, strip_stage};
pub use origin::CheckedOrigin;
pub use path::{PathResult, ProjectAndStep, parameters, project_and_step};
pub use query::{MAIL_IS_EMPTY, PROJECT_IS_EMPTY, Query};
