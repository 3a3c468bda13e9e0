//! The whole system on one machine: DynamoDB, S3 and both transcoders behind their real wire protocols, the API, and
//! the events function, which gets its events as on AWS.

pub mod dynamodb;
pub mod event_queue;
pub mod s3;
pub mod sqlite;
mod system;
mod timestamps;
pub mod transcoder;

pub use system::{Description, Login, Options, StartError, System};
