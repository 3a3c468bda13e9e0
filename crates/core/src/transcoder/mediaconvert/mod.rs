//! Jobs on AWS Elemental MediaConvert, API version 2017-08-29.
//!
//! See <https://docs.aws.amazon.com/mediaconvert/latest/apireference/jobs.html>.

mod result;
mod settings;

use std::time::{Duration, Instant, SystemTime};

use aws_sdk_mediaconvert::Client;
use aws_sdk_mediaconvert::operation::create_job::builders::CreateJobFluentBuilder;
use aws_sdk_mediaconvert::types::{self, JobStatus, Order, StatusUpdateInterval};
use aws_types::SdkConfig;

use self::result::{file_input, result};
use self::settings::job_settings;
use super::submit_error::{SubmitError, created, is_code, submit_error};
use super::{MediaConvertConfig, SEARCH_TIMEOUT, carries};
use crate::Error;
use crate::ids::ObjectKey;
use crate::job::{Job, JobResult, OUTPUT_PREFIX};
use crate::time::epoch_seconds;
use crate::transcoder_kind::TranscoderKind;

/// The most that `ListJobs` and `SearchJobs` give at once.
const PAGE_SIZE: i32 = 20;
/// The longest input that `SearchJobs` searches for, in characters; every key that we sign is shorter.
const MAX_SEARCH_LENGTH: usize = 300;

const KIND: TranscoderKind = TranscoderKind::MediaConvert;

/// A MediaConvert account and region with the role and bucket of this deployment.
#[derive(Debug, Clone)]
pub struct MediaConvert {
    client: Client,
    config: MediaConvertConfig,
    clip: Option<Duration>,
}

impl MediaConvert {
    pub(super) fn new(aws: &SdkConfig, config: MediaConvertConfig, clip: Option<Duration>) -> Self {
        Self { client: Client::new(aws), config, clip }
    }

    pub(super) async fn submit(&self, job: &Job) -> Result<String, SubmitError> {
        // The SDK may try again after an attempt that did arrive: the job's token, which the service remembers for a
        // minute, makes one of both.
        let answer = self.create_job(job).send().await.map_err(|error| submit_error(KIND, &error))?;
        created(KIND, answer.job.and_then(|job| job.id))
    }

    fn create_job(&self, job: &Job) -> CreateJobFluentBuilder {
        // MediaConvert adds `.mp4` to a destination that does not end in `/`.
        let destination = |name: &str| format!("s3://{}/{OUTPUT_PREFIX}{name}", self.config.output_bucket);
        let (result, poster) = (destination(&job.output_name()), destination(&job.own_name()));
        let settings = job_settings(&file_input_of(job), self.clip, &result, &poster);
        self.client
            .create_job()
            .role(&self.config.role_arn)
            .set_queue(self.config.queue_arn.clone())
            .client_request_token(job.token())
            .status_update_interval(StatusUpdateInterval::Seconds12)
            .set_user_metadata(Some(job.user_metadata()))
            .settings(settings)
    }

    pub(super) async fn find(&self, job: &Job, since: SystemTime) -> Result<Option<String>, Error> {
        let (token, input, since) = (job.token(), file_input_of(job), epoch_seconds(since).cast_signed());
        let input = (input.len() <= MAX_SEARCH_LENGTH).then_some(input.as_str());
        let (started, mut next_token) = (Instant::now(), None);
        while started.elapsed() < SEARCH_TIMEOUT {
            let (jobs, next) = self.newest_jobs(input, next_token).await?;
            for job in jobs {
                if job.created_at.is_some_and(|created| created.secs() < since) {
                    return Ok(None);
                }
                if carries(job.user_metadata.as_ref(), &token) && job.status != Some(JobStatus::Canceled) {
                    return Ok(job.id);
                }
            }
            next_token = next;
            if next_token.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Returns a page of jobs, the newest first: those of one input, or all of the queue.
    async fn newest_jobs(
        &self,
        input: Option<&str>,
        next_token: Option<String>,
    ) -> Result<(Vec<types::Job>, Option<String>), Error> {
        if let Some(input) = input {
            let search = self.client.search_jobs().input_file(input).order(Order::Descending).max_results(PAGE_SIZE);
            let page = search.set_queue(self.config.queue_arn.clone()).set_next_token(next_token).send().await;
            let page = page.map_err(|error| Error::unavailable(KIND.service_name(), "SearchJobs", &error))?;
            return Ok((page.jobs.unwrap_or_default(), page.next_token));
        }
        let list = self.client.list_jobs().order(Order::Descending).max_results(PAGE_SIZE);
        let page = list.set_queue(self.config.queue_arn.clone()).set_next_token(next_token).send().await;
        let page = page.map_err(|error| Error::unavailable(KIND.service_name(), "ListJobs", &error))?;
        Ok((page.jobs.unwrap_or_default(), page.next_token))
    }

    /// The upload that a job reads, for a job whose key was too long for its metadata.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the service does not answer.
    pub async fn input_key(&self, job_id: &str) -> Result<Option<ObjectKey>, Error> {
        let job = self.get_job(job_id).await?;
        let key = job.as_ref().and_then(file_input).and_then(key_of_url);
        Ok(key.and_then(|key| ObjectKey::from_decoded(key).ok()))
    }

    /// Cancels a job that has not ended.
    pub(super) async fn cancel(&self, job_id: &str) -> Result<(), Error> {
        match self.client.cancel_job().id(job_id).send().await {
            Err(error) if !(is_code(&error, "ConflictException") || is_code(&error, "NotFoundException")) => {
                Err(Error::unavailable(KIND.service_name(), "CancelJob", &error))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn look_up(&self, job_id: &str) -> Result<Option<JobResult>, Error> {
        Ok(self.get_job(job_id).await?.map(|job| result(&job)))
    }

    async fn get_job(&self, job_id: &str) -> Result<Option<types::Job>, Error> {
        match self.client.get_job().id(job_id).send().await {
            Ok(answer) => Ok(answer.job),
            Err(error) if is_code(&error, "NotFoundException") => Ok(None),
            Err(error) => Err(Error::unavailable(KIND.service_name(), "GetJob", &error)),
        }
    }
}

fn file_input_of(job: &Job) -> String {
    format!("s3://{}/{}", job.bucket, job.key)
}

/// What stands behind the bucket in `s3://bucket/key`; `None` when that is nothing.
#[must_use]
pub fn key_of_url(url: &str) -> Option<&str> {
    let (_, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;

    use super::types::{InputRotate, InputTimecodeSource, JobSettings, OutputDetail, OutputGroupDetail, VideoDetail};
    use super::*;
    use crate::job::{Facts, JobOutput};

    const STEM: &str = "output/web/Alba/0/c5e866594d810c0c3e1f";

    fn job(key: &str, plain_name: bool) -> Job {
        let key = ObjectKey::from_decoded(key).unwrap();
        Job { bucket: "media".to_owned(), key, sequencer: "0A".parse().unwrap(), plain_name }
    }

    fn service() -> MediaConvert {
        let aws = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let (role_arn, output_bucket) = ("arn:role".to_owned(), "out".to_owned());
        let config = MediaConvertConfig { role_arn, queue_arn: None, output_bucket };
        MediaConvert::new(&aws, config, Some(Duration::from_secs(3661)))
    }

    #[test]
    fn the_job_reads_the_upload_and_carries_the_token() {
        let job = job("Alba/0/c5e866594d810c0c3e1f.webm", true);
        let request = service().create_job(&job);
        let input = request.as_input();
        assert_eq!(input.get_role().as_deref(), Some("arn:role"));
        assert_eq!(input.get_client_request_token().as_deref(), Some(job.token().as_str()));
        let interval = Some(StatusUpdateInterval::Seconds12);
        assert_eq!(*input.get_status_update_interval(), interval, "longer than what is written at most");
        let settings = input.get_settings().as_ref().unwrap();
        assert_eq!(settings.inputs()[0].file_input(), Some("s3://media/Alba/0/c5e866594d810c0c3e1f.webm"));
        assert_eq!(settings.inputs()[0].video_selector().unwrap().rotate(), Some(&InputRotate::Auto));
        assert_eq!(settings.inputs()[0].timecode_source(), Some(&InputTimecodeSource::Zerobased));
        assert_eq!(settings.inputs()[0].input_clippings()[0].end_timecode(), Some("01:01:01:00"));
    }

    fn settings(plain_name: bool) -> JobSettings {
        let submitted = service().create_job(&job("Alba/0/c5e866594d810c0c3e1f.webm", plain_name));
        submitted.as_input().get_settings().clone().unwrap()
    }

    #[test]
    fn a_job_that_is_looked_up_tells_its_result() {
        let looked_up = |status: JobStatus| {
            let job = types::Job::builder().status(status).settings(settings(true)).role("arn:role");
            result(&job.error_code(1040).error_message("Unsupported file").build())
        };
        let output = JobOutput {
            key: format!("{STEM}.mp4"),
            poster: Some(format!("{STEM}/{}-poster.0000000.jpg", sequencer())),
            facts: Facts::default(),
        };
        assert_eq!(looked_up(JobStatus::Complete), JobResult::Ready(output));
        let reason = "MediaConvert error 1040: Unsupported file".to_owned();
        assert_eq!(looked_up(JobStatus::Error), JobResult::Failed { reason });
        let reason = "MediaConvert: the job was cancelled".to_owned();
        assert_eq!(looked_up(JobStatus::Canceled), JobResult::Failed { reason });
        assert_eq!(looked_up(JobStatus::Progressing), JobResult::Progressing { percent: None });
    }

    #[test]
    fn a_key_is_what_stands_behind_the_bucket() {
        assert_eq!(key_of_url("s3://out/output/web/x.mp4"), Some("output/web/x.mp4"));
        for url in ["s3://out/", "s3://out", "https://out/x.mp4", "x.mp4"] {
            assert_eq!(key_of_url(url), None, "{url}");
        }
    }

    fn sequencer() -> String {
        format!("0A{}", "0".repeat(38))
    }

    #[test]
    fn the_facts_of_a_job_that_is_looked_up_are_the_results_and_not_the_posters() {
        let detail = |millis, width, height| {
            let video = VideoDetail::builder().width_in_px(width).height_in_px(height).build();
            let detail = OutputDetail::builder().duration_in_ms(millis).video_details(video).build();
            OutputGroupDetail::builder().output_details(detail).build()
        };
        for reversed in [false, true] {
            let mut groups = settings(false).output_groups.unwrap();
            let mut details = vec![detail(60_001, 1280, 720), detail(6000, 640, 360)];
            if reversed {
                groups.reverse();
                details.reverse();
            }
            let settings = JobSettings::builder().set_output_groups(Some(groups)).build();
            let job = types::Job::builder().status(JobStatus::Complete).settings(settings).role("arn:role");
            let output = JobOutput {
                key: format!("{STEM}/{}.mp4", sequencer()),
                poster: Some(format!("{STEM}/{}-poster.0000001.jpg", sequencer())),
                facts: Facts { duration: Some(60), width: Some(1280), height: Some(720), truncated: false },
            };
            assert_eq!(result(&job.set_output_group_details(Some(details)).build()), JobResult::Ready(output));
        }
    }

    #[test]
    fn the_destinations_name_the_result_and_the_poster_without_their_extensions() {
        let own = format!("s3://out/{STEM}/{}", sequencer());
        for (plain_name, result) in [(true, format!("s3://out/{STEM}")), (false, own.clone())] {
            let settings = settings(plain_name);
            let destinations = settings
                .output_groups()
                .iter()
                .map(|group| group.output_group_settings()?.file_group_settings()?.destination().map(str::to_owned));
            assert_eq!(destinations.collect::<Vec<_>>(), [Some(result), Some(own.clone())]);
        }
    }
}
