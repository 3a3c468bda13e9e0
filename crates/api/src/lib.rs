//! The HTTP API: one router, served by `lambda_http` on AWS and by `axum::serve` on one machine.

mod auth;
mod error;
mod extract;
mod handlers;
mod pages;
mod router;
mod state;

pub use router::router;
pub use state::AppState;
