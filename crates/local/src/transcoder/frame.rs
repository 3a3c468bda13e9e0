//! The pictures of its result that a job asks for.

use std::time::Duration;

use video_core::TranscoderKind;

use super::ffmpeg::{Media, PictureFormat};
use super::jobs::{Job, Location};
use super::{elastictranscoder, mediaconvert};

/// A picture of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it is written.
    pub location: Location,
    /// The time in the video.
    pub at: Duration,
    /// Its format.
    pub format: PictureFormat,
    /// The most that it may be wide and high, in pixels.
    pub limits: (u32, u32),
}

/// Returns the pictures that a job with this result writes.
pub(super) fn frames(job: &Job, media: &Media) -> Vec<Frame> {
    match job.service {
        TranscoderKind::ElasticTranscoder => elastictranscoder::frames(job),
        TranscoderKind::MediaConvert => mediaconvert::frames(job, media),
    }
}
