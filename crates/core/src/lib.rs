//! What both functions share: configuration, IDs, signed forms and links, records and transcoders. No HTTP, no Lambda
//! types.

pub mod aws;
pub mod config;
pub mod env;
pub mod error;
pub mod event_bus;
pub mod ids;
pub mod job;
pub mod log;
pub mod max_video;
pub mod metrics;
mod percent;
pub mod records;
pub mod storage;
pub mod time;
pub mod transcoder;
pub mod transcoder_kind;
pub mod upload;

pub use error::Error;
pub use transcoder_kind::TranscoderKind;
