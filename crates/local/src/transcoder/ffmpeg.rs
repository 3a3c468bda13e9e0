//! Turns an uploaded file into the mp4 of the "Web" preset with ffmpeg, and reads with ffprobe what came out.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// The containers that are opened, by the names of ffmpeg's demuxers. Playlists (`hls`, `concat`, `dash`) are left out:
/// they would let an upload name other files of this machine.
const CONTAINERS: &str = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,flv,asf,mpeg,mpegts,ogg";

/// What stands before the input: quiet, never asks, opens nothing but one plain file.
const READ: &[&str] = &[
    "-nostdin",
    "-hide_banner",
    "-loglevel",
    "error",
    "-y",
    "-protocol_whitelist",
    "file",
    "-format_whitelist",
    CONTAINERS,
];

/// "System preset: Web" (1351620000001-100070) in ffmpeg's words.
///
/// `V` selects moving pictures only, so that the cover of a song is no video. Without `b-pyramid none` x264 asks
/// players for a fourth reference frame. The container is named because the output's name may end in `.webm`.
#[rustfmt::skip]
const WRITE: &[&str] = &[
    "-map", "0:V:0",
    "-map", "0:a:0?",
    "-vf", "scale=iw*sar:ih,setsar=1,\
            scale='min(1280,iw)':'min(720,ih)':force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1",
    "-r", "30",
    "-c:v", "libx264", "-profile:v", "main", "-level:v", "3.1", "-pix_fmt", "yuv420p",
    "-refs", "3", "-b-pyramid", "none", "-g", "90",
    "-b:v", "2200k", "-maxrate", "2200k", "-bufsize", "4400k",
    "-c:a", "aac", "-b:a", "160k", "-ar", "44100", "-ac", "2",
    "-movflags", "+faststart",
    "-f", "mp4",
];

/// What ffprobe is asked about an output.
const PROBE: &[&str] = &[
    "-v",
    "error",
    "-protocol_whitelist",
    "file",
    "-show_entries",
    "stream=codec_type,width,height:format=duration",
    "-of",
    "json",
];

/// A corrupt file can make ffmpeg complain about every frame; only the last part of it is kept.
const KEPT_COMPLAINTS: usize = 8 * 1024;

/// Why a file was not transcoded, in words for an admin: no paths of this machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the two programs cannot be found.
    #[error("ffmpeg is not installed; install it with `apt-get install ffmpeg` or `brew install ffmpeg`")]
    NotInstalled,
    /// The input has no bytes.
    #[error("The file is empty")]
    Empty,
    /// No container of ours: a song, a picture, a playlist, a document.
    #[error("The file is not in a video format that is supported (webm, mp4, mov, m4v, mkv, avi)")]
    UnknownFormat,
    /// Only sound, or sound with a cover picture.
    #[error("The file has no video in it")]
    NoVideo,
    /// Corrupt or cut off too early; ffmpeg's own words.
    #[error("The file is not a video that can be decoded: {0}")]
    Undecodable(String),
    /// The time limit.
    #[error("Transcoding took longer than {0:?} and was stopped")]
    TooLong(Duration),
    /// The output does not fit.
    #[error("The disk is full")]
    DiskFull,
    /// A signal that we did not send.
    #[error("ffmpeg was killed by the operating system, perhaps for want of memory")]
    Killed,
    /// Anything else between the operating system and us.
    #[error("ffmpeg could not be run: {0}")]
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotInstalled,
            io::ErrorKind::StorageFull => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

/// The facts of a finished output.
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

/// What `ffmpeg -version` calls itself, such as `5.1.9-0+deb12u1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// The two programs and the patience with them.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    /// A path, or a name to look for in the `PATH`.
    pub ffmpeg: PathBuf,
    /// A path, or a name to look for in the `PATH`.
    pub ffprobe: PathBuf,
    /// One file may take this long.
    pub time_limit: Duration,
}

impl Default for Ffmpeg {
    /// The programs of the `PATH`, four hours for a file.
    fn default() -> Self {
        Self { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into(), time_limit: Duration::from_hours(4) }
    }
}

impl Ffmpeg {
    /// Says at start-up whether both programs can be run. Blocks for a moment.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] when one of them is missing.
    pub fn find(&self) -> Result<Version, Error> {
        let version =
            |program: &Path| std::process::Command::new(program).arg("-version").stdin(Stdio::null()).output();
        version(&self.ffprobe)?;
        let output = version(&self.ffmpeg)?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Version(text.split_whitespace().nth(2).unwrap_or("unknown").to_owned()))
    }

    /// Writes the mp4 of `input` to `output`, whatever the two are called. Dropping the future kills ffmpeg; a half
    /// written `output` is then the caller's to remove, as after an error.
    ///
    /// # Errors
    /// Every [`Error`]; the file's own faults are told apart from this machine's.
    pub async fn transcode(&self, input: &Path, output: &Path) -> Result<Media, Error> {
        if tokio::fs::metadata(input).await.map_err(Error::Io)?.len() == 0 {
            return Err(Error::Empty);
        }
        tokio::time::timeout(self.time_limit, async {
            self.encode(input, output).await?;
            self.probe(output).await
        })
        .await
        .map_err(|_| Error::TooLong(self.time_limit))?
    }

    async fn encode(&self, input: &Path, output: &Path) -> Result<(), Error> {
        let mut command = Command::new(&self.ffmpeg);
        command.args(READ).arg("-i").arg(url(input)).args(WRITE).arg(url(output)).stdout(Stdio::null());
        let mut child = spawn(&mut command)?;
        let complaints = complaints(&mut child).await?;
        let status = child.wait().await?;
        if status.success() { Ok(()) } else { Err(reason(status, &complaints, &[input, output])) }
    }

    async fn probe(&self, output: &Path) -> Result<Media, Error> {
        let mut command = Command::new(&self.ffprobe);
        command.args(PROBE).arg(url(output)).stdout(Stdio::piped());
        let answer = spawn(&mut command)?.wait_with_output().await?;
        let size = tokio::fs::metadata(output).await.map_err(Error::Io)?.len();
        // ffmpeg ends well, but without a picture, when it understands the head of a file and nothing after it.
        serde_json::from_slice::<Probe>(&answer.stdout)
            .ok()
            .and_then(|probe| probe.media(size))
            .ok_or_else(|| Error::Undecodable("there is no picture in it".to_owned()))
    }
}

/// A path as ffmpeg's `file:` URL: never an option, never another protocol.
fn url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
}

async fn complaints(child: &mut Child) -> io::Result<String> {
    match child.stderr.take() {
        Some(stderr) => Ok(String::from_utf8_lossy(&last_part(stderr).await?).into_owned()),
        None => Ok(String::new()),
    }
}

async fn last_part(mut from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut kept = Vec::with_capacity(KEPT_COMPLAINTS);
    while from.read_buf(&mut kept).await? > 0 {
        let superfluous = kept.len().saturating_sub(KEPT_COMPLAINTS);
        kept.drain(..superfluous);
    }
    Ok(kept)
}

/// ffmpeg's own words are kept where they help, without the paths and addresses that surround them.
fn reason(status: ExitStatus, complaints: &str, paths: &[&Path]) -> Error {
    if status.code().is_none() {
        return Error::Killed;
    }
    if complaints.contains("No space left on device") {
        return Error::DiskFull;
    }
    if complaints.contains("Format not on whitelist") {
        return Error::UnknownFormat;
    }
    if complaints.contains("matches no streams") {
        return Error::NoVideo;
    }
    let line = complaints.lines().map(str::trim).rfind(|line| !line.is_empty());
    Error::Undecodable(line.map_or_else(|| "ffmpeg gave no reason".to_owned(), |line| plain(line, paths)))
}

/// `[mov @ 0x55d0] file:/data/1: Invalid data` -> `Invalid data`.
fn plain(line: &str, paths: &[&Path]) -> String {
    let line = match line.split_once("] ") {
        Some((component, rest)) if component.starts_with('[') => rest,
        _ => line,
    };
    let mut line = line.to_owned();
    for path in paths {
        let path = path.to_string_lossy();
        line = line.replace(&format!("file:{path}: "), "").replace(&format!("file:{path}"), "the file");
        line = line.replace(&*path, "the file");
    }
    line
}

#[derive(Deserialize)]
struct Probe {
    streams: Vec<ProbedStream>,
    format: ProbedFormat,
}

#[derive(Deserialize)]
struct ProbedStream {
    codec_type: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct ProbedFormat {
    /// Seconds, as a decimal number in text.
    duration: Option<String>,
}

impl Probe {
    fn media(&self, size: u64) -> Option<Media> {
        let video = self.streams.iter().find(|stream| stream.codec_type == "video")?;
        let duration = Duration::try_from_secs_f64(self.format.duration.as_ref()?.parse().ok()?).ok()?;
        Some(Media {
            width: video.width?,
            height: video.height?,
            duration_ms: u64::try_from(duration.as_millis()).ok()?,
            size,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_no_path_and_no_address() {
        let paths = [Path::new("/data/objects/1"), Path::new("/data/objects/2")];
        let reason = |line| plain(line, &paths);
        assert_eq!(reason("file:/data/objects/1: Invalid data found"), "Invalid data found");
        assert_eq!(reason("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55d0] moov atom not found"), "moov atom not found");
        assert_eq!(
            reason("Could not write header for /data/objects/2: no codec"),
            "Could not write header for the file: no codec"
        );
    }

    #[tokio::test]
    async fn only_the_last_complaints_are_kept() {
        let many = "complaint\n".repeat(10_000) + "the reason\n";
        let kept = last_part(many.as_bytes()).await.unwrap();
        assert!(kept.len() <= KEPT_COMPLAINTS);
        assert!(kept.ends_with(b"complaint\nthe reason\n"));
    }
}
