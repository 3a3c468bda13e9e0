//! Jobs on Amazon Elastic Transcoder, API version 2012-09-25.
//!
//! AWS closed the service to customers on 2025-11-13; see
//! <https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/create-job.html>.

use std::time::{Duration, Instant, SystemTime};

use aws_sdk_elastictranscoder::operation::create_job::builders::CreateJobFluentBuilder;
use aws_sdk_elastictranscoder::types::{self, CreateJobOutput, JobInput, TimeSpan};
use aws_sdk_elastictranscoder::{Client, Config};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_types::SdkConfig;

use super::submit_error::{SubmitError, created, is_code, submit_error};
use super::{SEARCH_TIMEOUT, carries};
use crate::Error;
use crate::job::{Facts, Job, JobOutput, JobResult, OUTPUT_PREFIX, POSTER_SUFFIX, is_picture};
use crate::time::epoch_seconds;
use crate::transcoder_kind::TranscoderKind;

/// "System preset: Web": 1280x720 at most, H.264 main, 2200 kbit/s, AAC 160 kbit/s.
const WEB_PRESET: &str = "1351620000001-100070";
/// Where the number of a thumbnail stands in the pattern of their names: five digits, from 00001 on.
const COUNT: &str = "{count}";
/// The longest pattern, in characters; a key so long that it does not fit gets no poster.
const MAX_PATTERN_LENGTH: usize = 255;

const KIND: TranscoderKind = TranscoderKind::ElasticTranscoder;

/// A pipeline of Elastic Transcoder.
#[derive(Debug, Clone)]
pub struct ElasticTranscoder {
    client: Client,
    pipeline_id: String,
    clip: Option<Duration>,
}

impl ElasticTranscoder {
    pub(super) fn new(aws: &SdkConfig, pipeline_id: String, clip: Option<Duration>) -> Self {
        Self { client: Client::new(aws), pipeline_id, clip }
    }

    pub(super) async fn submit(&self, job: &Job) -> Result<String, SubmitError> {
        let retries = Config::builder().retry_classifier(RetryOnlyRejections);
        let request = self.create_job(job).customize().config_override(retries);
        let answer = request.send().await.map_err(|error| submit_error(KIND, &error))?;
        created(KIND, answer.job.and_then(|job| job.id))
    }

    fn create_job(&self, job: &Job) -> CreateJobFluentBuilder {
        self.client
            .create_job()
            .pipeline_id(&self.pipeline_id)
            .input(JobInput::builder().key(job.key.as_str()).set_time_span(self.clip.map(time_span)).build())
            .output_key_prefix(OUTPUT_PREFIX)
            .outputs(output(job))
            .set_user_metadata(Some(job.user_metadata()))
    }

    pub(super) async fn find(&self, token: &str, since: SystemTime) -> Result<Option<String>, Error> {
        let since = i64::try_from(epoch_seconds(since)).unwrap_or(i64::MAX).saturating_mul(1000);
        let (started, mut page_token) = (Instant::now(), None);
        while started.elapsed() < SEARCH_TIMEOUT {
            let newest_first = self.client.list_jobs_by_pipeline().pipeline_id(&self.pipeline_id).ascending("false");
            let page = newest_first.set_page_token(page_token).send().await;
            let page = page.map_err(|error| Error::unavailable(KIND.service_name(), "ListJobsByPipeline", &error))?;
            for job in page.jobs.unwrap_or_default() {
                if job
                    .timing
                    .as_ref()
                    .and_then(|timing| timing.submit_time_millis)
                    .is_some_and(|submitted| submitted < since)
                {
                    return Ok(None);
                }
                if carries(job.user_metadata.as_ref(), token) && job.status.as_deref() != Some("Canceled") {
                    return Ok(job.id);
                }
            }
            page_token = page.next_page_token;
            if page_token.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Cancels a job that has not started; one that has runs on.
    pub(super) async fn cancel(&self, job_id: &str) -> Result<(), Error> {
        match self.client.cancel_job().id(job_id).send().await {
            Err(error)
                if !(is_code(&error, "ResourceInUseException") || is_code(&error, "ResourceNotFoundException")) =>
            {
                Err(Error::unavailable(KIND.service_name(), "CancelJob", &error))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn look_up(&self, job_id: &str) -> Result<Option<JobResult>, Error> {
        let answer = match self.client.read_job().id(job_id).send().await {
            Ok(answer) => answer,
            Err(error) if is_code(&error, "ResourceNotFoundException") => return Ok(None),
            Err(error) => return Err(Error::unavailable(KIND.service_name(), "ReadJob", &error)),
        };
        Ok(answer.job.map(|job| result(&job)))
    }
}

/// `CreateJob` takes no idempotency token here: another attempt makes another job, unless the first one was refused for
/// certain.
#[derive(Debug)]
struct RetryOnlyRejections;

impl ClassifyRetry for RetryOnlyRejections {
    fn classify_retry(&self, attempt: &InterceptorContext) -> RetryAction {
        let was_rejected = attempt.response().is_some_and(|response| response.status().is_client_error());
        if was_rejected { RetryAction::NoActionIndicated } else { RetryAction::RetryForbidden }
    }

    fn name(&self) -> &'static str {
        "retry only rejections"
    }
}

fn result(job: &types::Job) -> JobResult {
    let result = job.outputs().iter().find(|output| output.key().is_some_and(|key| !is_picture(key)));
    let output = result.or(job.outputs().first());
    match (job.status(), result.and_then(|output| output.key())) {
        (Some("Complete"), Some(key)) => {
            let prefix = job.output_key_prefix().unwrap_or_default();
            let pattern = output.and_then(|output| output.thumbnail_pattern());
            JobResult::Ready(JobOutput {
                key: format!("{prefix}{key}"),
                poster: pattern.and_then(|pattern| first_thumbnail(prefix, pattern)),
                facts: output.map(facts).unwrap_or_default(),
            })
        }
        // No code of its own here: the detail begins with it.
        (Some("Error"), _) => JobResult::failed(KIND, None, output.and_then(|output| output.status_detail())),
        (Some("Canceled"), _) => JobResult::cancelled(KIND),
        _ => JobResult::Progressing { percent: None },
    }
}

fn facts(output: &types::JobOutput) -> Facts {
    let pixels = |number: Option<i32>| number.map(i64::from);
    Facts::of(output.duration_millis(), pixels(output.width()), pixels(output.height()))
}

/// Returns the key of the first thumbnail that a job makes; `None` when it makes none.
#[must_use]
pub fn first_thumbnail(output_key_prefix: &str, pattern: &str) -> Option<String> {
    let name = pattern.contains(COUNT).then(|| pattern.replace(COUNT, "00001"))?;
    Some(format!("{output_key_prefix}{name}.png"))
}

/// Elastic Transcoder makes a warning of a span that is longer than its input.
fn time_span(clip: Duration) -> TimeSpan {
    TimeSpan::builder().duration(format!("{}.000", clip.as_secs())).build()
}

fn output(job: &Job) -> CreateJobOutput {
    let pattern = format!("{}{POSTER_SUFFIX}-{COUNT}", job.own_name());
    let fits = pattern.chars().count() <= MAX_PATTERN_LENGTH;
    CreateJobOutput::builder()
        .key(output_key(job))
        .preset_id(WEB_PRESET)
        .set_thumbnail_pattern(fits.then_some(pattern))
        .build()
}

/// Returns the result's name with the input's extension, as the original named it, whatever the container.
fn output_key(job: &Job) -> String {
    let extension = job.key.as_str().rsplit_once('.').map_or("mp4", |(_, extension)| extension);
    format!("{}.{extension}", job.output_name())
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;

    use super::*;
    use crate::ids::ObjectKey;

    fn job(key: &str, plain_name: bool) -> Job {
        let key = ObjectKey::from_decoded(key).unwrap();
        Job { bucket: "media".to_owned(), key, sequencer: "0A".parse().unwrap(), plain_name }
    }

    #[test]
    fn the_job_is_the_originals() {
        let aws = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let request = ElasticTranscoder::new(&aws, "1111111111111-abcde1".to_owned(), Some(Duration::from_secs(3601)))
            .create_job(&job("Alba/0/c5e866594d810c0c3e1f.webm", true));
        let input = request.as_input();
        assert_eq!(input.get_pipeline_id().as_deref(), Some("1111111111111-abcde1"));
        assert_eq!(input.get_input().as_ref().unwrap().key(), Some("Alba/0/c5e866594d810c0c3e1f.webm"));
        let span = input.get_input().as_ref().unwrap().time_span().unwrap();
        assert_eq!((span.start_time(), span.duration()), (None, Some("3601.000")));
        assert_eq!(input.get_output_key_prefix().as_deref(), Some("output/"));
        let output = &input.get_outputs().as_ref().unwrap()[0];
        assert_eq!(output.key(), Some("web/Alba/0/c5e866594d810c0c3e1f.webm"));
        assert_eq!(output.preset_id(), Some("1351620000001-100070"));
        let pattern = format!("web/Alba/0/c5e866594d810c0c3e1f/0A{}-poster-{{count}}", "0".repeat(38));
        assert_eq!(output.thumbnail_pattern(), Some(pattern.as_str()));
    }

    #[test]
    fn a_name_that_leaves_no_room_for_a_number_gets_no_poster() {
        let pattern = |length| output(&job(&format!("{}.mp4", "k".repeat(length)), false)).thumbnail_pattern;
        assert_eq!(pattern(186).unwrap().len(), 250);
        assert_eq!(pattern(192), None);
    }

    #[test]
    fn a_job_that_is_looked_up_tells_its_result() {
        let output = types::JobOutput::builder().key("web/x.webm").status_detail("4000 bad input");
        let output = output.thumbnail_pattern("web/x/0A-poster-{count}").width(1280).height(720).duration_millis(2001);
        let output = output.build();
        let ready = JobResult::Ready(JobOutput {
            key: "output/web/x.webm".to_owned(),
            poster: Some("output/web/x/0A-poster-00001.png".to_owned()),
            facts: Facts { duration: Some(2), width: Some(1280), height: Some(720), truncated: false },
        });
        let looked_up = |status: &str| {
            result(&types::Job::builder().status(status).output_key_prefix("output/").outputs(output.clone()).build())
        };
        assert_eq!(looked_up("Complete"), ready);
        let reason = "Elastic Transcoder: 4000 bad input".to_owned();
        assert_eq!(looked_up("Error"), JobResult::Failed { reason });
        let reason = "Elastic Transcoder: the job was cancelled".to_owned();
        assert_eq!(looked_up("Canceled"), JobResult::Failed { reason });
        assert_eq!(looked_up("Submitted"), JobResult::Progressing { percent: None });
        let picture = types::JobOutput::builder().key("web/x.png").build();
        let job = types::Job::builder().status("Complete").output_key_prefix("output/");
        assert_eq!(result(&job.outputs(picture).outputs(output).build()), ready);
    }

    #[test]
    fn an_output_key_keeps_the_inputs_extension() {
        let sequencer = format!("0A{}", "0".repeat(38));
        assert_eq!(output_key(&job("x.MP4", false)), format!("web/x.MP4/{sequencer}.MP4"));
        assert!(output_key(&job(&format!("{}.webm", "k".repeat(1000)), false)).len() <= 255);
    }
}
