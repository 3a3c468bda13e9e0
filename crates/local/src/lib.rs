//! The whole system on one machine: DynamoDB, S3 and both transcoders behind their real wire protocols, the API, and the events function
//! fed as AWS feeds it.

pub mod database;
pub mod dynamo;
pub mod events;
pub mod s3;
mod system;
pub mod transcoder;

pub use system::{Description, Login, Options, StartError, System};
