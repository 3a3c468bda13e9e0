//! Submitting a 720p transcode: to Elastic Transcoder, which the original used, or to MediaConvert, which AWS offers
//! today.

mod config;
mod elastictranscoder;
mod mediaconvert;
mod submit_error;

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;

use crate::Error;
use crate::job::{Job, JobResult};
use crate::max_video::MaxVideo;
use crate::transcoder_kind::TranscoderKind;

pub use config::{MediaConvertConfig, TranscoderConfig};
pub use elastictranscoder::{ElasticTranscoder, first_thumbnail};
pub use mediaconvert::{MediaConvert, key_of_url};
pub use submit_error::SubmitError;

/// The transcoder of this deployment.
#[derive(Debug, Clone)]
pub enum Transcoder {
    /// Amazon Elastic Transcoder.
    ElasticTranscoder(ElasticTranscoder),
    /// AWS Elemental MediaConvert.
    MediaConvert(MediaConvert),
}

/// How long a search for a job goes on: a service returns few jobs at once, and there may be thousands.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(3);
/// How far a service's clock may be behind the one that stamped the upload.
const CLOCK_SKEW: Duration = Duration::from_mins(2);

impl Transcoder {
    /// Creates the client of the transcoder that `config` names, whose jobs read so much of a video.
    #[must_use]
    pub fn new(config: &TranscoderConfig, max_video: Option<MaxVideo>, aws: &SdkConfig) -> Self {
        let clip = max_video.map(MaxVideo::clip);
        match config.clone() {
            TranscoderConfig::ElasticTranscoder { pipeline_id } => {
                Self::ElasticTranscoder(ElasticTranscoder::new(aws, pipeline_id, clip))
            }
            TranscoderConfig::MediaConvert(config) => Self::MediaConvert(MediaConvert::new(aws, config, clip)),
        }
    }

    /// Returns which transcoder this is.
    #[must_use]
    pub fn kind(&self) -> TranscoderKind {
        match self {
            Self::ElasticTranscoder(_) => TranscoderKind::ElasticTranscoder,
            Self::MediaConvert(_) => TranscoderKind::MediaConvert,
        }
    }

    /// Creates the job and returns its ID.
    ///
    /// # Errors
    /// [`SubmitError`] says whether a retry makes sense.
    pub async fn submit(&self, job: &Job) -> Result<String, SubmitError> {
        match self {
            Self::ElasticTranscoder(service) => service.submit(job).await,
            Self::MediaConvert(service) => service.submit(job).await,
        }
    }

    /// Searches for a job that carries this upload's token, among those created since then, the newest first. `None`
    /// also when there are too many to look through all of them in three seconds.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the service does not answer.
    pub async fn find(&self, job: &Job, since: SystemTime) -> Result<Option<String>, Error> {
        let since = since.checked_sub(CLOCK_SKEW).unwrap_or(SystemTime::UNIX_EPOCH);
        match self {
            Self::ElasticTranscoder(service) => service.find(&job.token(), since).await,
            Self::MediaConvert(service) => service.find(job, since).await,
        }
    }

    /// Cancels a job, so that it costs nothing more; one that has ended or is unknown is left as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the service does not answer.
    pub async fn cancel(&self, job_id: &str) -> Result<(), Error> {
        match self {
            Self::ElasticTranscoder(service) => service.cancel(job_id).await,
            Self::MediaConvert(service) => service.cancel(job_id).await,
        }
    }

    /// Returns how far a job is, as the service says; `None` when the service no longer knows it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the service does not answer.
    pub async fn look_up(&self, job_id: &str) -> Result<Option<JobResult>, Error> {
        match self {
            Self::ElasticTranscoder(service) => service.look_up(job_id).await,
            Self::MediaConvert(service) => service.look_up(job_id).await,
        }
    }
}

/// Returns whether a job with this metadata was created for the upload with this token.
fn carries(metadata: Option<&HashMap<String, String>>, token: &str) -> bool {
    metadata.and_then(|pairs| pairs.get("token")).is_some_and(|own| own == token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_config_makes_its_own_kind_of_transcoder() {
        let aws = SdkConfig::builder()
            .behavior_version(aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest())
            .build();
        let of_pipeline = TranscoderConfig::ElasticTranscoder { pipeline_id: "1-a".to_owned() };
        assert_eq!(Transcoder::new(&of_pipeline, None, &aws).kind(), TranscoderKind::ElasticTranscoder);
        let of_role = TranscoderConfig::MediaConvert(MediaConvertConfig {
            role_arn: "arn".to_owned(),
            queue_arn: None,
            output_bucket: "out".to_owned(),
        });
        assert_eq!(Transcoder::new(&of_role, None, &aws).kind(), TranscoderKind::MediaConvert);
    }
}
