//! The thumbnails of a job.

use std::time::Duration;

use serde_json::Value;
use video_core::transcoder::first_thumbnail;

use crate::transcoder::ffmpeg::PictureFormat;
use crate::transcoder::frame::Frame;
use crate::transcoder::jobs::{Job, Location};

/// The most that the preset's thumbnails are wide and high, in pixels.
const LIMITS: (u32, u32) = (192, 108);

/// Returns the first thumbnail, if the job asks for any. The others, one a minute, have no reader.
pub(in crate::transcoder) fn frames(job: &Job) -> Vec<Frame> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let prefix = text(job.request.get("OutputKeyPrefix"));
    let pattern = text(job.request.get("Output").and_then(|output| output.get("ThumbnailPattern")));
    let frame = |key| Frame {
        location: Location { bucket: job.output.bucket.clone(), key },
        at: Duration::ZERO,
        format: PictureFormat::Png,
        limits: LIMITS,
    };
    first_thumbnail(&prefix, &pattern).map(frame).into_iter().collect()
}
