//! The local services under the real SDKs, and the program `video-local`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

mod eventbridge;
mod eventually;
mod http;
mod origins;
mod program;
mod s3;
mod store;
mod transcoder;
mod webhook;
