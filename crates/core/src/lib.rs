//! What both functions share: configuration, keys, presigned uploads, records and transcoders. No HTTP, no Lambda types.

pub mod aws;
pub mod bucket;
pub mod config;
pub mod error;
mod https;
pub mod key;
pub mod log;
pub mod presigned_post;
pub mod presigned_url;
pub mod records;
pub mod time;
pub mod transcoder;

pub use error::Error;
