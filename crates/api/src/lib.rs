//! The HTTP API: one router, served by `lambda_http` on AWS and by `axum::serve` on one machine.

mod auth;
mod error;
mod extract;
mod handlers;
mod links;
mod pages;
mod router;
mod secret;
mod state;
mod upload_target;

pub use extract::CheckedOrigin;
pub use router::router;
pub use state::AppState;
