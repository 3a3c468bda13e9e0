//! How the system is started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use video_core::TranscoderKind;

use crate::origins::Origin;
use crate::transcoder::Ffmpeg;
use crate::webhook::Webhook;

/// The options of a start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The API's port; S3, DynamoDB and the transcoders use the next three. 0 chooses four free ones.
    pub port: u16,
    /// The directory of everything that is stored.
    pub data_dir: PathBuf,
    /// The transcoder that gets the jobs; both are served in any case.
    pub transcoder: TranscoderKind,
    /// The programs that transcode.
    pub ffmpeg: Ffmpeg,
    /// How long a new job is missing from the transcoders' lists.
    pub listing_lag: Duration,
    /// The wait before each retry of a failed event; after the last one it becomes a dead letter.
    pub retry_delays: Vec<Duration>,
    /// The origins of web pages that may send requests besides those of this machine.
    pub allowed_origins: Vec<Origin>,
    /// Where the events about videos are posted to.
    pub webhook: Option<Webhook>,
    /// The wait before each retry of a post that failed.
    pub webhook_retry_delays: Vec<Duration>,
    /// Whether the events function is invoked. Otherwise events stay in the queue, and a test can run a function of its
    /// own.
    pub deliver_events: bool,
    /// Whether the bytes of uploads by parts are discarded: sizes and ETags are kept, and every byte reads as zero. So
    /// a test can upload more than its disk holds.
    pub discard_parts: bool,
    /// The functions' environment variables that differ from the local defaults, such as limits, the admin's login or
    /// an endpoint.
    pub variables: Vec<(String, String)>,
}

impl Options {
    /// Returns the defaults for this data directory, with free ports.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self {
            port: 0,
            data_dir: data_dir.to_owned(),
            transcoder: TranscoderKind::ElasticTranscoder,
            ffmpeg: Ffmpeg::default(),
            listing_lag: Duration::ZERO,
            retry_delays: vec![Duration::from_secs(6), Duration::from_secs(12)],
            allowed_origins: Vec::new(),
            webhook: None,
            // 1, 2, 4, … 512 seconds: 17 minutes altogether.
            webhook_retry_delays: (0..10).map(|exponent| Duration::from_secs(1 << exponent)).collect(),
            deliver_events: true,
            discard_parts: false,
            variables: Vec::new(),
        }
    }
}
