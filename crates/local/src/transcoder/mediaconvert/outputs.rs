//! The output groups of a job: one mp4 and, beside it, frames of the video. Both are told by what they are, since they
//! come in any order.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::error::bad_value;
use crate::aws_json::ApiError;
use crate::transcoder::ffmpeg::{Media, PictureFormat};
use crate::transcoder::frame::Frame;
use crate::transcoder::jobs::{Job, Location};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputGroup {
    output_group_settings: Option<OutputGroupSettings>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputGroupSettings {
    r#type: Option<String>,
    file_group_settings: Option<FileGroupSettings>,
}

#[derive(Deserialize)]
struct FileGroupSettings {
    destination: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    container_settings: Option<ContainerSettings>,
    name_modifier: Option<String>,
    video_description: Option<VideoDescription>,
}

#[derive(Deserialize)]
struct ContainerSettings {
    container: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VideoDescription {
    width: Option<u32>,
    height: Option<u32>,
    codec_settings: Option<CodecSettings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodecSettings {
    codec: Option<String>,
    frame_capture_settings: Option<FrameCaptureSettings>,
}

/// A frame each `denominator / numerator` seconds, from the first one on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FrameCaptureSettings {
    framerate_numerator: Option<u64>,
    framerate_denominator: Option<u64>,
    max_captures: Option<usize>,
}

impl OutputGroup {
    /// Returns whether the group holds frames of the video and no video.
    pub(super) fn is_frame_capture(&self) -> bool {
        self.outputs.iter().any(|output| output.frame_capture().is_some())
    }

    /// Returns the milliseconds between two frames.
    pub(super) fn frame_interval_ms(&self) -> u64 {
        self.outputs.iter().find_map(Output::frame_capture).map_or(0, FrameCaptureSettings::interval_ms)
    }

    /// Returns the only output with the name of its files, which lacks the extension; `number` is the group's place.
    fn output(&self, number: usize, input: &Location) -> Result<(&Output, Location), ApiError> {
        let path = format!("/settings/outputGroups/{number}");
        let settings = self.output_group_settings.as_ref();
        if settings.and_then(|settings| settings.r#type.as_deref()) != Some("FILE_GROUP_SETTINGS") {
            let rule = "The local MediaConvert writes FILE_GROUP_SETTINGS";
            return Err(bad_value(&format!("{path}/outputGroupSettings/type"), rule));
        }
        let output = match self.outputs.as_slice() {
            [] => return Err(bad_value(&format!("{path}/outputs"), "Should not be empty")),
            [output] => output,
            _ => return Err(bad_value(&format!("{path}/outputs"), "The local MediaConvert writes one output")),
        };
        let destination = settings
            .and_then(|settings| settings.file_group_settings.as_ref())
            .and_then(|settings| parse_s3_url(settings.destination.as_deref()?));
        let destination = destination.ok_or_else(|| {
            let field = "outputGroupSettings/fileGroupSettings/destination";
            bad_value(&format!("{path}/{field}"), "Should be an S3 URL: s3://bucket/path/")
        })?;
        let container = output.container_settings.as_ref().and_then(|settings| settings.container.as_deref());
        let expected = if output.frame_capture().is_some() { "RAW" } else { "MP4" };
        if container != Some(expected) {
            let rule = format!("The local MediaConvert writes {expected}");
            return Err(bad_value(&format!("{path}/outputs/0/containerSettings/container"), &rule));
        }
        let modifier = output.name_modifier.as_deref().unwrap_or_default();
        Ok((output, name(destination, input, modifier)))
    }
}

impl FrameCaptureSettings {
    fn interval_ms(&self) -> u64 {
        let numerator = self.framerate_numerator.unwrap_or(1).max(1);
        (self.framerate_denominator.unwrap_or(1).saturating_mul(1000) / numerator).max(1)
    }
}

impl Output {
    fn frame_capture(&self) -> Option<&FrameCaptureSettings> {
        let settings = self.video_description.as_ref()?.codec_settings.as_ref()?;
        settings.frame_capture_settings.as_ref().filter(|_| settings.codec.as_deref() == Some("FRAME_CAPTURE"))
    }

    /// Returns when frames of a video are taken.
    fn frame_times(&self, media: &Media) -> Vec<Duration> {
        let Some(settings) = self.frame_capture() else { return Vec::new() };
        let times = (0..).map(|number: u64| number.saturating_mul(settings.interval_ms()));
        let times = times.take_while(|millis| *millis == 0 || *millis < media.duration_ms);
        times.take(settings.max_captures.unwrap_or(usize::MAX)).map(Duration::from_millis).collect()
    }
}

/// Returns where the mp4 of these groups goes.
///
/// # Errors
/// `BadRequestException` for groups that the local MediaConvert does not write.
pub(super) fn result_location(groups: &[OutputGroup], input: &Location) -> Result<Location, ApiError> {
    const PATH: &str = "/settings/outputGroups";
    if groups.is_empty() {
        return Err(bad_value(PATH, "Should not be empty"));
    }
    let (mut result, mut frames) = (None, 0);
    for (number, group) in groups.iter().enumerate() {
        let (_, name) = group.output(number, input)?;
        if group.is_frame_capture() {
            frames += 1;
        } else if result.replace(name).is_some() {
            return Err(bad_value(PATH, "The local MediaConvert writes one group with a video"));
        }
    }
    let result = result.ok_or_else(|| bad_value(PATH, "Frames can be captured beside a video only"))?;
    if frames > 1 {
        return Err(bad_value(PATH, "The local MediaConvert writes one group with frames"));
    }
    Ok(Location { key: format!("{}.mp4", result.key), ..result })
}

/// Returns a job's output groups in the order in which they were submitted.
pub(super) fn groups(job: &Job) -> Vec<OutputGroup> {
    let groups = job.request.pointer("/settings/outputGroups").cloned().unwrap_or(Value::Null);
    serde_json::from_value(groups).unwrap_or_default()
}

/// Returns the frames that a job with this result captures.
pub(in crate::transcoder) fn frames(job: &Job, media: &Media) -> Vec<Frame> {
    let groups = groups(job).into_iter().enumerate().filter(|(_, group)| group.is_frame_capture());
    let mut frames = Vec::new();
    for (number, group) in groups {
        // The job was accepted with this group.
        let Ok((output, Location { bucket, key })) = group.output(number, &job.input) else { continue };
        let video = output.video_description.as_ref();
        let limits = (video.and_then(|video| video.width), video.and_then(|video| video.height));
        for (number, at) in output.frame_times(media).into_iter().enumerate() {
            frames.push(Frame {
                location: Location { bucket: bucket.clone(), key: format!("{key}.{number:07}.jpg") },
                at,
                format: PictureFormat::Jpeg,
                limits: (limits.0.unwrap_or(media.width), limits.1.unwrap_or(media.height)),
            });
        }
    }
    frames
}

/// Returns the name of a group's files: a destination that ends in `/` is completed with the input's name, any other is
/// the name itself.
fn name(destination: Location, input: &Location, modifier: &str) -> Location {
    let Location { bucket, key: path } = destination;
    let stem = if path.is_empty() || path.ends_with('/') { file_stem(&input.key) } else { "" };
    Location { bucket, key: format!("{path}{stem}{modifier}") }
}

/// Returns `x.y` for `Alba/0/x.y.webm`.
fn file_stem(key: &str) -> &str {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// Parses `s3://bucket/key`; the key is not percent-encoded.
pub(super) fn parse_s3_url(url: &str) -> Option<Location> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then(|| Location { bucket: bucket.to_owned(), key: key.to_owned() })
}
