//! Why the object store rejects a request or fails, and the S3 error that a client gets.

use std::io;

use s3s::{S3Error, S3ErrorCode};

/// Why the store rejected a request or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket was never created.
    #[error("the bucket `{0}` does not exist")]
    NoSuchBucket(String),
    /// The bucket has no object with that key.
    #[error("the key `{0}` does not exist")]
    NoSuchKey(String),
    /// The multipart upload was completed, aborted, or belongs to another key.
    #[error("the upload `{0}` does not exist")]
    NoSuchUpload(String),
    /// A part was never uploaded, or has another ETag.
    #[error("part {0} was not uploaded or has another ETag")]
    InvalidPart(i32),
    /// The parts of a completion must be in ascending order.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part other than the last is below AWS's minimum.
    #[error("part {0} is smaller than 5 MiB and not the last one")]
    PartTooSmall(i32),
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("at least one of the preconditions did not hold")]
    PreconditionFailed,
    /// The index cannot be read or written.
    #[error("the object index failed: {0}")]
    Index(#[from] rusqlite::Error),
    /// The object files cannot be read or written.
    #[error("the object files failed: {0}")]
    Files(#[from] io::Error),
}

/// The result of a store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Logs a failure of this machine, such as a full disk, of which a client learns no more than `InternalError`.
pub(super) fn internal_error(error: impl std::error::Error + Send + Sync + 'static) -> S3Error {
    tracing::error!(error.message = %error, "the local S3 failed");
    S3Error::internal_error(error)
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
            StoreError::NoSuchKey(_) => S3ErrorCode::NoSuchKey,
            StoreError::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
            StoreError::InvalidPart(_) => S3ErrorCode::InvalidPart,
            StoreError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            StoreError::PartTooSmall(_) => S3ErrorCode::EntityTooSmall,
            StoreError::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            StoreError::Index(_) | StoreError::Files(_) => return internal_error(error),
        };
        S3Error::with_message(code, error.to_string())
    }
}
