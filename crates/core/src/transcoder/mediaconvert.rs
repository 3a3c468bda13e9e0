//! Jobs on AWS Elemental MediaConvert, API version 2017-08-29: Elastic Transcoder's "System preset: Web" in
//! MediaConvert's terms.
//!
//! See <https://docs.aws.amazon.com/mediaconvert/latest/apireference/jobs.html>.

use std::time::SystemTime;

use aws_sdk_mediaconvert::Client;
use aws_sdk_mediaconvert::operation::create_job::builders::CreateJobFluentBuilder;
use aws_sdk_mediaconvert::types::{
    self, AacCodingMode, AacSettings, AudioCodec, AudioCodecSettings, AudioDefaultSelection, AudioDescription,
    AudioSelector, ContainerSettings, ContainerType, FileGroupSettings, H264CodecLevel, H264CodecProfile,
    H264FramerateControl, H264GopSizeUnits, H264ParControl, H264RateControlMode, H264Settings, Input, InputRotate,
    JobSettings, JobStatus, Order, Output, OutputGroup, OutputGroupSettings, OutputGroupType, ScalingBehavior,
    VideoCodec, VideoCodecSettings, VideoDescription, VideoSelector,
};
use aws_types::SdkConfig;

use super::carries;
use super::submit_error::{SubmitError, created, is_code, submit_error};
use crate::Error;
use crate::ids::ObjectKey;
use crate::job::{Job, JobResult, OUTPUT_PREFIX};
use crate::time::epoch_seconds;
use crate::transcoder_kind::TranscoderKind;

/// The most that `ListJobs` gives at once.
const PAGE_SIZE: i32 = 20;
/// Enough to look through 5,000 jobs in one take-over.
const MAX_PAGES: usize = 250;
const AUDIO_SELECTOR: &str = "Audio Selector 1";

const KIND: TranscoderKind = TranscoderKind::MediaConvert;

/// A MediaConvert account and region with the role and bucket of this deployment.
#[derive(Debug, Clone)]
pub struct MediaConvert {
    client: Client,
    role_arn: String,
    queue_arn: Option<String>,
    output_bucket: String,
}

impl MediaConvert {
    pub(super) fn new(aws: &SdkConfig, role_arn: String, queue_arn: Option<String>, output_bucket: String) -> Self {
        Self { client: Client::new(aws), role_arn, queue_arn, output_bucket }
    }

    pub(super) async fn submit(&self, job: &Job) -> Result<String, SubmitError> {
        // The SDK may try again after an attempt that did arrive: the job's token, which the service remembers for a
        // minute, makes one of both.
        let answer = self.create_job(job).send().await.map_err(|error| submit_error(KIND, &error))?;
        created(KIND, answer.job.and_then(|job| job.id))
    }

    fn create_job(&self, job: &Job) -> CreateJobFluentBuilder {
        let input = Input::builder()
            .file_input(format!("s3://{}/{}", job.bucket, job.key))
            .audio_selectors(
                AUDIO_SELECTOR,
                AudioSelector::builder().default_selection(AudioDefaultSelection::Default).build(),
            )
            .video_selector(VideoSelector::builder().rotate(InputRotate::Auto).build())
            .build();
        let settings = JobSettings::builder().inputs(input).output_groups(output_group(&self.destination(job))).build();
        self.client
            .create_job()
            .role(&self.role_arn)
            .set_queue(self.queue_arn.clone())
            .client_request_token(job.token())
            .set_user_metadata(Some(job.user_metadata()))
            .settings(settings)
    }

    /// Returns where the result goes: MediaConvert adds `.mp4` to a destination that does not end in `/`.
    fn destination(&self, job: &Job) -> String {
        format!("s3://{}/{OUTPUT_PREFIX}{}", self.output_bucket, job.output_name())
    }

    pub(super) async fn find(&self, token: &str, since: SystemTime) -> Result<Option<String>, Error> {
        let since = epoch_seconds(since).cast_signed();
        let mut next_token = None;
        for _ in 0..MAX_PAGES {
            let newest_first = self
                .client
                .list_jobs()
                .order(Order::Descending)
                .max_results(PAGE_SIZE)
                .set_queue(self.queue_arn.clone());
            let page = newest_first.set_next_token(next_token).send().await;
            let page = page.map_err(|error| Error::unavailable(KIND.service_name(), "ListJobs", &error))?;
            for job in page.jobs.unwrap_or_default() {
                if job.created_at.is_some_and(|created| created.secs() < since) {
                    return Ok(None);
                }
                if carries(job.user_metadata.as_ref(), token) && job.status != Some(JobStatus::Canceled) {
                    return Ok(job.id);
                }
            }
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
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

fn result(job: &types::Job) -> JobResult {
    match (job.status(), output(job)) {
        (Some(JobStatus::Complete), Some(output)) => JobResult::Ready { output },
        (Some(JobStatus::Error), _) => {
            let code = job.error_code().map(|code| code.to_string());
            JobResult::failed(KIND, code.as_deref(), job.error_message())
        }
        (Some(JobStatus::Canceled), _) => JobResult::cancelled(KIND),
        _ => JobResult::Progressing,
    }
}

/// Returns the key of a job's result. `GetJob` does not name the file, so it is put together as MediaConvert does: from
/// the destination, and, where that is a folder, the input's name.
fn output(job: &types::Job) -> Option<String> {
    let group = job.settings()?.output_groups().iter().find(|group| !is_frame_capture(group))?;
    let destination = key_of_url(group.output_group_settings()?.file_group_settings()?.destination()?)?;
    if !destination.ends_with('/') {
        return Some(format!("{destination}.mp4"));
    }
    let name = file_input(job)?.rsplit('/').next()?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    Some(format!("{destination}{stem}.mp4"))
}

fn is_frame_capture(group: &OutputGroup) -> bool {
    let settings = |output: &Output| Some(output.video_description()?.codec_settings()?.codec()?.clone());
    group.outputs().iter().any(|output| settings(output) == Some(VideoCodec::FrameCapture))
}

fn file_input(job: &types::Job) -> Option<&str> {
    job.settings()?.inputs().first()?.file_input()
}

/// What stands behind the bucket in `s3://bucket/key`; `None` when that is nothing.
#[must_use]
pub fn key_of_url(url: &str) -> Option<&str> {
    let (_, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!key.is_empty()).then_some(key)
}

fn output_group(destination: &str) -> OutputGroup {
    let files = FileGroupSettings::builder().destination(destination).build();
    let settings =
        OutputGroupSettings::builder().r#type(OutputGroupType::FileGroupSettings).file_group_settings(files).build();
    let output = Output::builder()
        .container_settings(ContainerSettings::builder().container(ContainerType::Mp4).build())
        .video_description(video())
        .audio_descriptions(audio())
        .build();
    OutputGroup::builder().output_group_settings(settings).outputs(output).build()
}

fn video() -> VideoDescription {
    let h264 = H264Settings::builder()
        .codec_profile(H264CodecProfile::Main)
        .codec_level(H264CodecLevel::Level31)
        .number_reference_frames(3)
        .rate_control_mode(H264RateControlMode::Cbr)
        .bitrate(2_200_000)
        .framerate_control(H264FramerateControl::Specified)
        .framerate_numerator(30)
        .framerate_denominator(1)
        .gop_size(90.0)
        .gop_size_units(H264GopSizeUnits::Frames)
        .par_control(H264ParControl::Specified)
        .par_numerator(1)
        .par_denominator(1)
        .build();
    VideoDescription::builder()
        .width(1280)
        .height(720)
        .scaling_behavior(ScalingBehavior::FitNoUpscale)
        .codec_settings(VideoCodecSettings::builder().codec(VideoCodec::H264).h264_settings(h264).build())
        .build()
}

fn audio() -> AudioDescription {
    let aac =
        AacSettings::builder().bitrate(160_000).sample_rate(44_100).coding_mode(AacCodingMode::CodingMode20).build();
    AudioDescription::builder()
        .audio_source_name(AUDIO_SELECTOR)
        .codec_settings(AudioCodecSettings::builder().codec(AudioCodec::Aac).aac_settings(aac).build())
        .build()
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;

    use super::*;

    fn job(key: &str, plain_name: bool) -> Job {
        let key = ObjectKey::from_decoded(key).unwrap();
        Job { bucket: "media".to_owned(), key, sequencer: "0A".parse().unwrap(), plain_name }
    }

    fn service() -> MediaConvert {
        let aws = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        MediaConvert::new(&aws, "arn:role".to_owned(), None, "out".to_owned())
    }

    #[test]
    fn the_job_reads_the_upload_and_carries_the_token() {
        let job = job("Alba/0/c5e866594d810c0c3e1f.webm", true);
        let request = service().create_job(&job);
        let input = request.as_input();
        assert_eq!(input.get_role().as_deref(), Some("arn:role"));
        assert_eq!(input.get_client_request_token().as_deref(), Some(job.token().as_str()));
        let settings = input.get_settings().as_ref().unwrap();
        assert_eq!(settings.inputs()[0].file_input(), Some("s3://media/Alba/0/c5e866594d810c0c3e1f.webm"));
        assert_eq!(settings.inputs()[0].video_selector().unwrap().rotate(), Some(&InputRotate::Auto));
    }

    #[test]
    fn a_job_that_is_looked_up_tells_its_result() {
        let submitted = service().create_job(&job("Alba/0/c5e866594d810c0c3e1f.webm", true));
        let settings = submitted.as_input().get_settings().clone().unwrap();
        let looked_up = |status: JobStatus| {
            let job = types::Job::builder().status(status).settings(settings.clone()).role("arn:role");
            result(&job.error_code(1040).error_message("Unsupported file").build())
        };
        let output = "output/web/Alba/0/c5e866594d810c0c3e1f.mp4".to_owned();
        assert_eq!(looked_up(JobStatus::Complete), JobResult::Ready { output });
        let reason = "MediaConvert error 1040: Unsupported file".to_owned();
        assert_eq!(looked_up(JobStatus::Error), JobResult::Failed { reason });
        let reason = "MediaConvert: the job was cancelled".to_owned();
        assert_eq!(looked_up(JobStatus::Canceled), JobResult::Failed { reason });
        assert_eq!(looked_up(JobStatus::Progressing), JobResult::Progressing);
    }

    #[test]
    fn a_key_is_what_stands_behind_the_bucket() {
        assert_eq!(key_of_url("s3://out/output/web/x.mp4"), Some("output/web/x.mp4"));
        for url in ["s3://out/", "s3://out", "https://out/x.mp4", "x.mp4"] {
            assert_eq!(key_of_url(url), None, "{url}");
        }
    }

    #[test]
    fn the_destination_names_the_result_without_its_extension() {
        let sequencer = format!("0A{}", "0".repeat(38));
        for (plain_name, destination) in [
            (true, "s3://out/output/web/Alba/0/c5e866594d810c0c3e1f".to_owned()),
            (false, format!("s3://out/output/web/Alba/0/c5e866594d810c0c3e1f/{sequencer}")),
        ] {
            let job = job("Alba/0/c5e866594d810c0c3e1f.webm", plain_name);
            assert_eq!(service().destination(&job), destination);
        }
    }
}
