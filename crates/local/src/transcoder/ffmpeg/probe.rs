//! ffprobe, which reads the facts of a file.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{CONTAINERS, Error, Ffmpeg, file_url, spawn};

/// The arguments before the file. It may be anyone's, so the limits are those of the transcoding.
const ARGUMENTS: &[&str] = &[
    "-v",
    "error",
    "-protocol_whitelist",
    "file",
    "-format_whitelist",
    CONTAINERS,
    "-show_entries",
    "stream=codec_type,width,height:format=duration",
    "-of",
    "json",
];

/// The facts of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Milliseconds.
    pub duration_ms: u64,
    /// Bytes.
    pub size: u64,
}

impl Media {
    /// Returns the duration to the nearest second, but for what is shorter.
    pub(in crate::transcoder) fn seconds(&self) -> u64 {
        ((self.duration_ms + 500) / 1000).max(1)
    }
}

#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Format {
    /// Seconds, as a decimal number in a string.
    duration: Option<String>,
}

impl Ffmpeg {
    /// Returns the facts of an output.
    pub(super) async fn media(&self, output: &Path) -> Result<Media, Error> {
        let probe = self.probe(output).await?;
        let size = tokio::fs::metadata(output).await.map_err(Error::Io)?.len();
        // When only the header of a file is readable, ffmpeg succeeds but writes no frame.
        let media = probe.and_then(|probe| probe.media(size));
        media.ok_or_else(|| Error::Undecodable("it contains no frame".to_owned()))
    }

    /// Returns how long an input is, if it says so: what a browser has recorded does not.
    pub(super) async fn duration(&self, input: &Path) -> Option<Duration> {
        self.probe(input).await.ok()??.format.duration()
    }

    async fn probe(&self, file: &Path) -> Result<Option<Probe>, Error> {
        let mut command = Command::new(&self.ffprobe);
        command.args(ARGUMENTS).arg(file_url(file)).stdout(Stdio::piped());
        let output = spawn(&mut command)?.wait_with_output().await?;
        Ok(serde_json::from_slice(&output.stdout).ok())
    }
}

impl Probe {
    fn media(&self, size: u64) -> Option<Media> {
        let video = self.streams.iter().find(|stream| stream.codec_type == "video")?;
        let duration_ms = u64::try_from(self.format.duration()?.as_millis()).ok()?;
        Some(Media { width: video.width?, height: video.height?, duration_ms, size })
    }
}

impl Format {
    fn duration(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.duration.as_ref()?.parse().ok()?).ok()
    }
}
