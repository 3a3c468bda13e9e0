//! The whole system on one machine: DynamoDB, S3, both transcoders and EventBridge behind their real wire protocols,
//! the API, and the events function, which gets its events as on AWS.

pub mod aws_json;
pub mod dynamodb;
pub mod event_queue;
pub mod eventbridge;
mod origins;
pub mod s3;
pub mod sqlite;
mod system;
mod timestamps;
pub mod transcoder;
mod webhook;

pub use origins::{InvalidOrigin, Origin};
pub use system::{Description, Login, Options, StartError, System};
pub use webhook::{InvalidWebhook, Webhook};
