//! Why the system did not start.

use std::io;
use std::path::PathBuf;

use video_core::env::ConfigError;

use crate::dynamodb::DynamoDbError;
use crate::s3::StoreError;

/// Why the system did not start. The message is one line that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be written.
    #[error("cannot write to the data directory {}: {source}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another system uses the data directory.
    #[error("another video-local uses the data directory {}; stop it or choose another with --data-dir", .0.display())]
    InUse(PathBuf),
    /// A port cannot be bound.
    #[error(
        "cannot listen on 127.0.0.1:{port} for {service}: {source}; choose another with --port, or 0 for any free one"
    )]
    Port {
        /// The port.
        port: u16,
        /// The service that needs it.
        service: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// There are not enough ports after the first one.
    #[error(
        "--port must be 0 or at most {}: S3, DynamoDB and the transcoders use the three ports after it",
        u16::MAX - 3
    )]
    PortTooHigh,
    /// An environment variable of the functions is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error("cannot open the database in the data directory: {0}")]
    Database(#[from] rusqlite::Error),
    /// The object store cannot be opened.
    #[error("cannot open the object store in the data directory: {0}")]
    Store(#[from] StoreError),
    /// The table cannot be created.
    #[error("cannot create the table in the data directory: {0}")]
    Table(#[from] DynamoDbError),
}
