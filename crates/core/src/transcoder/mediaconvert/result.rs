//! What a job that is looked up tells of its result.

use aws_sdk_mediaconvert::types::{Job, JobStatus, Output, OutputDetail, OutputGroup, VideoCodec, VideoDetail};

use super::{KIND, key_of_url};
use crate::job::{Facts, JobOutput, JobResult};

/// From this duration on, the second frame, which is taken at 3 seconds, exists for certain.
const SECOND_FRAME_MILLIS: i32 = 4000;

/// Returns how far a job is.
pub(super) fn result(job: &Job) -> JobResult {
    match (job.status(), output(job)) {
        (Some(JobStatus::Complete), Some(output)) => JobResult::Ready(output),
        (Some(JobStatus::Error), _) => {
            let code = job.error_code().map(|code| code.to_string());
            JobResult::failed(KIND, code.as_deref(), job.error_message())
        }
        (Some(JobStatus::Canceled), _) => JobResult::cancelled(KIND),
        _ => JobResult::Progressing { percent: None },
    }
}

/// Returns what a job has made. `GetJob` names no file, so the names are put together as MediaConvert does.
fn output(job: &Job) -> Option<JobOutput> {
    let groups = job.settings()?.output_groups();
    let place = groups.iter().position(|group| !is_frame_capture(group))?;
    // The details have the order of the settings.
    let detail = job.output_group_details().get(place).and_then(|group| group.output_details().first());
    let frames = groups.iter().find(|group| is_frame_capture(group));
    let frame = usize::from(detail.and_then(OutputDetail::duration_in_ms) >= Some(SECOND_FRAME_MILLIS));
    Some(JobOutput {
        key: format!("{}.mp4", name(job, groups.get(place)?)?),
        poster: frames.and_then(|group| name(job, group)).map(|name| format!("{name}.{frame:07}.jpg")),
        facts: detail.map(facts).unwrap_or_default(),
    })
}

fn facts(detail: &OutputDetail) -> Facts {
    let video = detail.video_details();
    Facts::of(
        detail.duration_in_ms().map(i64::from),
        video.and_then(VideoDetail::width_in_px).map(i64::from),
        video.and_then(VideoDetail::height_in_px).map(i64::from),
    )
}

fn is_frame_capture(group: &OutputGroup) -> bool {
    let codec = |output: &Output| output.video_description()?.codec_settings()?.codec().cloned();
    group.outputs().iter().any(|output| codec(output) == Some(VideoCodec::FrameCapture))
}

/// Returns the name of a group's files without their extension: the destination, where that is a folder the input's
/// name, and the modifier.
fn name(job: &Job, group: &OutputGroup) -> Option<String> {
    let destination = key_of_url(group.output_group_settings()?.file_group_settings()?.destination()?)?;
    let modifier = group.outputs().first().and_then(Output::name_modifier).unwrap_or_default();
    if !destination.ends_with('/') {
        return Some(format!("{destination}{modifier}"));
    }
    let name = file_input(job)?.rsplit('/').next()?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    Some(format!("{destination}{stem}{modifier}"))
}

/// Returns the URL of a job's input.
pub(super) fn file_input(job: &Job) -> Option<&str> {
    job.settings()?.inputs().first()?.file_input()
}
