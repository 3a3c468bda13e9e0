//! Why a job fails; each service has its own error codes and messages for it.

use super::ffmpeg;
use crate::s3::StoreError;

/// Why a job ended without an output.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobFailure {
    #[error("the input does not exist")]
    InputMissing,
    #[error("the output exists")]
    OutputExists,
    #[error("the bucket `{0}` does not exist")]
    BucketMissing(String),
    #[error(transparent)]
    Transcoding(#[from] ffmpeg::Error),
    #[error("The output could not be stored: {0}")]
    Storing(StoreError),
}

impl From<StoreError> for JobFailure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::PreconditionFailed => Self::OutputExists,
            StoreError::NoSuchBucket(name) => Self::BucketMissing(name),
            error => Self::Storing(error),
        }
    }
}
