//! Submitting a 720p transcode: Elastic Transcoder, which the original used, or MediaConvert, which AWS offers today.

mod elastictranscoder;
mod mediaconvert;

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::Error;
use crate::error::describe;
use crate::https::never_connected;
use crate::key::{ObjectKey, Sequencer, fingerprint};
use crate::records::JobResult;

pub use elastictranscoder::ElasticTranscoder;
pub use mediaconvert::{MediaConvert, key_of_url};

/// Elastic Transcoder, as `TRANSCODER` and the records spell it.
pub const ELASTIC_TRANSCODER: &str = "elastictranscoder";
/// MediaConvert, as `TRANSCODER` and the records spell it.
pub const MEDIA_CONVERT: &str = "mediaconvert";

/// Which transcoder a deployment uses, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// Jobs go to a pipeline, which knows its buckets.
    ElasticTranscoder {
        /// The pipeline's id.
        pipeline_id: String,
    },
    /// Jobs name their output bucket themselves.
    MediaConvert {
        /// The role that MediaConvert takes to read and write the buckets.
        role_arn: String,
        /// The queue; the account's default queue when absent.
        queue_arn: Option<String>,
        /// The bucket that the result is written to.
        output_bucket: String,
    },
}

/// The transcoder of this deployment.
#[derive(Debug, Clone)]
pub enum Transcoder {
    /// Amazon Elastic Transcoder.
    ElasticTranscoder(ElasticTranscoder),
    /// AWS Elemental MediaConvert.
    MediaConvert(MediaConvert),
}

/// One upload to transcode.
#[derive(Debug, Clone)]
pub struct Job {
    /// The bucket of the upload.
    pub bucket: String,
    /// The upload's key.
    pub key: ObjectKey,
    /// Which upload of that key.
    pub sequencer: Sequencer,
    /// Whether the result may take the plain `output/` prefix. Only the first job of a record's first upload may: Elastic Transcoder
    /// fails a job whose output exists, and MediaConvert would let a slow older job overwrite a newer result.
    pub plain_prefix: bool,
}

/// Why a job was not created.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The service will never take this job; the reason is fit for the admin.
    #[error("{0}")]
    Refused(String),
    /// There is no job: the service throttled, or it could not be reached. Later may be better.
    #[error(transparent)]
    Unavailable(Error),
    /// There may be a job: no answer came, or the service failed over it. Look for it before creating another, and not at once, since the
    /// request may still be on its way.
    #[error(transparent)]
    Unknown(Error),
}

/// How far a service's clock may be behind the one that stamped the upload.
const CLOCK_SKEW: Duration = Duration::from_mins(2);

impl Transcoder {
    /// The transcoder that `settings` name.
    #[must_use]
    pub fn new(settings: &Settings, aws: &SdkConfig) -> Self {
        match settings.clone() {
            Settings::ElasticTranscoder { pipeline_id } => {
                Self::ElasticTranscoder(ElasticTranscoder::new(aws, pipeline_id))
            }
            Settings::MediaConvert { role_arn, queue_arn, output_bucket } => {
                Self::MediaConvert(MediaConvert::new(aws, role_arn, queue_arn, output_bucket))
            }
        }
    }

    /// The name as `TRANSCODER` spells it; stands in the record.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ElasticTranscoder(_) => ELASTIC_TRANSCODER,
            Self::MediaConvert(_) => MEDIA_CONVERT,
        }
    }

    /// Creates the job and answers its id.
    ///
    /// # Errors
    /// [`SubmitError`] says whether trying again makes sense.
    pub async fn submit(&self, job: &Job) -> Result<String, SubmitError> {
        match self {
            Self::ElasticTranscoder(service) => service.submit(job).await,
            Self::MediaConvert(service) => service.submit(job).await,
        }
    }

    /// Looks for a job that carries this upload's token, among those created since the upload.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the service does not answer.
    pub async fn find(&self, job: &Job, uploaded_at: SystemTime) -> Result<Option<String>, Error> {
        let since = uploaded_at.checked_sub(CLOCK_SKEW).unwrap_or(SystemTime::UNIX_EPOCH);
        match self {
            Self::ElasticTranscoder(service) => service.find(&job.token(), since).await,
            Self::MediaConvert(service) => service.find(&job.token(), since).await,
        }
    }

    /// How far a job is, asked of the service itself; `None` when the service no longer knows it.
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

impl Job {
    /// The same text for the same upload, whoever submits it: how a second invocation recognises the first one's job.
    #[must_use]
    pub fn token(&self) -> String {
        fingerprint(&[&self.bucket, self.key.as_str(), self.sequencer.as_str()])
    }

    /// What travels with the job and comes back with its events. Never the mail.
    fn user_metadata(&self) -> HashMap<String, String> {
        let metadata = Metadata {
            token: Some(self.token()),
            key: Some(self.key.clone()),
            sequencer: Some(self.sequencer.clone()),
        };
        metadata.write()
    }

    fn output_prefix(&self) -> String {
        if self.plain_prefix { "output/".to_owned() } else { format!("output/{}/", self.sequencer) }
    }
}

/// A job's user metadata, read leniently: a job that someone else created has none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// See [`Job::token`].
    pub token: Option<String>,
    /// The upload's key; absent when it did not fit.
    pub key: Option<ObjectKey>,
    /// The upload's sequencer.
    pub sequencer: Option<Sequencer>,
}

/// Elastic Transcoder takes letters, digits, spaces and `_.:/=+-%@` in metadata, 255 characters at most.
/// See <https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/create-job.html>.
const METADATA_CHARACTERS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b':').remove(b'/').remove(b'=').remove(b'-').remove(b'@');
const METADATA_LENGTH: usize = 255;

impl Metadata {
    /// Reads what [`Job`] put into a job.
    #[must_use]
    pub fn read(pairs: &HashMap<String, String>) -> Self {
        let key = pairs.get("key").and_then(|key| percent_decode_str(key).decode_utf8().ok());
        Self {
            token: pairs.get("token").cloned(),
            key: key.and_then(|key| ObjectKey::from_decoded(&key).ok()),
            sequencer: pairs.get("sequencer").and_then(|text| text.parse().ok()),
        }
    }

    fn write(self) -> HashMap<String, String> {
        let key = self.key.map(|key| utf8_percent_encode(key.as_str(), METADATA_CHARACTERS).to_string());
        [
            ("token", self.token),
            ("key", key.filter(|key| key.len() <= METADATA_LENGTH)),
            ("sequencer", self.sequencer.map(|sequencer| sequencer.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

/// Whether a job with this metadata was created for the upload with this token.
fn carries(metadata: Option<&HashMap<String, String>>, token: &str) -> bool {
    metadata.and_then(|pairs| pairs.get("token")).is_some_and(|own| own == token)
}

/// Codes that say "later" although their status is 4xx: throttling, and credentials or clocks that a moment mends.
const RETRYABLE: [&str; 10] = [
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "UnrecognizedClientException",
];

fn is_code<E>(error: &SdkError<E, HttpResponse>, code: &str) -> bool
where
    E: ProvideErrorMetadata,
{
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(code)
}

/// Tells a refusal for good (4xx other than throttling) from trouble that may pass, and whether a job may exist in spite of it.
fn submit_error<E>(service: &'static str, error: &SdkError<E, HttpResponse>) -> SubmitError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let was_answered = (400..500).contains(&status) && status != 408;
    if was_answered && status != 429 && !RETRYABLE.contains(&code) {
        SubmitError::Refused(format!("{service} refused the job: {}", describe(error)))
    } else if was_answered || never_left(error) {
        SubmitError::Unavailable(Error::unavailable(service, "CreateJob", error))
    } else {
        SubmitError::Unknown(Error::unavailable(service, "CreateJob", error))
    }
}

/// The id of a job that was created.
fn created(service: &'static str, job_id: Option<String>) -> Result<String, SubmitError> {
    job_id.ok_or_else(|| {
        let reason = "the answer names no job".to_owned();
        SubmitError::Unknown(Error::Unavailable { service, operation: "CreateJob", reason })
    })
}

/// Whether the request cannot have reached the service.
fn never_left<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: std::error::Error + 'static,
{
    matches!(error, SdkError::ConstructionFailure(_)) || never_connected(error)
}

#[cfg(test)]
mod tests {
    use aws_sdk_mediaconvert::operation::create_job::CreateJobError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    /// What becomes of a `CreateJob` that the service answers so.
    fn answered(status: u16, code: &str) -> SubmitError {
        let error = CreateJobError::generic(ErrorMetadata::builder().code(code).build());
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        submit_error("Service", &SdkError::service_error(error, response))
    }

    #[test]
    fn a_job_is_refused_for_good_only_by_an_answer_that_blames_it() {
        for (status, code) in [(400, "BadRequestException"), (403, "AccessDeniedException"), (404, "NotFoundException")]
        {
            let SubmitError::Refused(reason) = answered(status, code) else { panic!("{status} {code}") };
            assert!(reason.starts_with(&format!("Service refused the job: {code} ({status})")), "{reason}");
        }
    }

    #[test]
    fn throttling_and_credentials_say_that_there_is_no_job_yet() {
        for (status, code) in [(429, "Anything"), (400, "ThrottlingException"), (403, "ExpiredTokenException")] {
            assert!(matches!(answered(status, code), SubmitError::Unavailable(_)), "{status} {code}");
        }
        let never_sent = SdkError::<CreateJobError, HttpResponse>::construction_failure("no region");
        assert!(matches!(submit_error("Service", &never_sent), SubmitError::Unavailable(_)));
    }

    #[test]
    fn there_may_be_a_job_when_no_answer_or_none_of_use_came() {
        for status in [408, 500, 503] {
            assert!(matches!(answered(status, "Anything"), SubmitError::Unknown(_)), "{status}");
        }
        let hung_up = ConnectorError::io("connection reset".into());
        let hung_up = SdkError::<CreateJobError, HttpResponse>::dispatch_failure(hung_up);
        assert!(matches!(submit_error("Service", &hung_up), SubmitError::Unknown(_)));
        assert!(matches!(created("Service", None), Err(SubmitError::Unknown(_))));
        assert_eq!(created("Service", Some("1-a".to_owned())).unwrap(), "1-a");
    }

    #[test]
    fn a_code_is_the_services_own() {
        let error = CreateJobError::generic(ErrorMetadata::builder().code("NotFoundException").build());
        let error = SdkError::service_error(error, HttpResponse::new(404.try_into().unwrap(), SdkBody::empty()));
        assert!(is_code(&error, "NotFoundException") && !is_code(&error, "NotFound"));
    }

    #[test]
    fn each_transcoder_has_the_name_that_its_records_carry() {
        let aws = SdkConfig::builder()
            .behavior_version(aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest())
            .build();
        let of_pipeline = Settings::ElasticTranscoder { pipeline_id: "1-a".to_owned() };
        assert_eq!(Transcoder::new(&of_pipeline, &aws).name(), "elastictranscoder");
        let of_role =
            Settings::MediaConvert { role_arn: "arn".to_owned(), queue_arn: None, output_bucket: "out".to_owned() };
        assert_eq!(Transcoder::new(&of_role, &aws).name(), "mediaconvert");
    }

    fn job(key: &str) -> Job {
        Job {
            bucket: "media".to_owned(),
            key: ObjectKey::from_decoded(key).unwrap(),
            sequencer: "0055AED6DCD90281E5".parse().unwrap(),
            plain_prefix: true,
        }
    }

    #[test]
    fn metadata_survives_the_trip_through_a_job() {
        for key in ["Alba/0/c5e866594d810c0c3e1f.webm", "a b+c%/ü🎬.mov"] {
            let pairs = job(key).user_metadata();
            let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-%@".contains(c);
            assert!(pairs.values().all(|value| value.chars().all(allowed) && value.len() <= 255), "{pairs:?}");
            let read = Metadata::read(&pairs);
            assert_eq!(read.key, Some(job(key).key));
            assert_eq!(read.sequencer, Some(job(key).sequencer));
            assert_eq!(read.token, Some(job(key).token()));
        }
    }

    #[test]
    fn a_key_too_long_for_metadata_is_left_out() {
        let pairs = job(&format!("{}.mp4", "k".repeat(900))).user_metadata();
        assert_eq!(Metadata::read(&pairs).key, None);
        assert!(Metadata::read(&pairs).sequencer.is_some());
    }

    #[test]
    fn foreign_metadata_reads_as_nothing() {
        let pairs = HashMap::from([("key".to_owned(), "%ff".to_owned()), ("sequencer".to_owned(), "soon".to_owned())]);
        assert_eq!(Metadata::read(&pairs), Metadata { token: None, key: None, sequencer: None });
    }

    #[test]
    fn the_token_differs_by_bucket_key_and_upload() {
        let first = job("a/0/x.mp4");
        let others = [
            Job { bucket: "other".to_owned(), ..first.clone() },
            Job { key: ObjectKey::from_decoded("a/0/y.mp4").unwrap(), ..first.clone() },
            Job { sequencer: "0055AED6DCD90281E6".parse().unwrap(), ..first.clone() },
        ];
        assert_eq!(first.token(), Job { plain_prefix: false, ..first.clone() }.token());
        for other in others {
            assert_ne!(first.token(), other.token());
        }
    }
}
