//! The settings of a deployment's transcoder.

use crate::env::{ConfigError, Lookup, invalid, optional, required};
use crate::transcoder_kind::TranscoderKind;

/// Which transcoder a deployment uses, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TranscoderConfig {
    /// Jobs go to a pipeline, which knows its buckets.
    ElasticTranscoder {
        /// The pipeline's id.
        pipeline_id: String,
    },
    /// Jobs name their output bucket themselves.
    MediaConvert(MediaConvertConfig),
}

/// What a job on MediaConvert names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConvertConfig {
    /// The role that MediaConvert takes to read and write the buckets.
    pub role_arn: String,
    /// The queue; the account's default queue when absent.
    pub queue_arn: Option<String>,
    /// The bucket that the result is written to.
    pub output_bucket: String,
}

impl TranscoderConfig {
    /// Reads `TRANSCODER` and the variables of the one that it names.
    ///
    /// # Errors
    /// The first variable that is missing or breaks its rule.
    pub fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        let kind = optional(lookup, "TRANSCODER").map_or(Ok(TranscoderKind::MediaConvert), |name| name.parse());
        match kind.map_err(|error| invalid("TRANSCODER", error.rule))? {
            TranscoderKind::MediaConvert => Ok(Self::MediaConvert(MediaConvertConfig {
                role_arn: required(lookup, "MEDIACONVERT_ROLE_ARN")?,
                queue_arn: optional(lookup, "MEDIACONVERT_QUEUE_ARN"),
                output_bucket: required(lookup, "OUTPUT_BUCKET_NAME")?,
            })),
            TranscoderKind::ElasticTranscoder => {
                Ok(Self::ElasticTranscoder { pipeline_id: required(lookup, "PIPELINE_NAME")? })
            }
        }
    }
}
