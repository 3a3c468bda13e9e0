//! ffmpeg, which transcodes a file to the "Web" preset's mp4, and ffprobe, which reads the facts of the result.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// The allowed containers, by the names of ffmpeg's demuxers. Playlists (`hls`, `concat`, `dash`) are not among them:
/// they would let an upload reference other files of this machine.
const CONTAINERS: &str = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,flv,asf,mpeg,mpegts,ogg";

/// The arguments before the input: quiet, no prompts, only one plain file is opened.
const INPUT_ARGUMENTS: &[&str] = &[
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

/// "System preset: Web" (1351620000001-100070) as ffmpeg's arguments.
///
/// `V` selects moving pictures only: the cover of a song is not a video. Without `b-pyramid none`, x264 requires a
/// fourth reference frame of players. The container is explicit because the output's name may end in `.webm`.
#[rustfmt::skip]
const OUTPUT_ARGUMENTS: &[&str] = &[
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

/// ffprobe's arguments before the output.
const PROBE_ARGUMENTS: &[&str] = &[
    "-v",
    "error",
    "-protocol_whitelist",
    "file",
    "-show_entries",
    "stream=codec_type,width,height:format=duration",
    "-of",
    "json",
];

/// How much of ffmpeg's stderr is kept: for a corrupt file it may report an error for every frame.
const STDERR_TAIL_BYTES: usize = 8 * 1024;

/// Why a file was not transcoded. The messages are for an admin and contain no paths of this machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the two programs cannot be found.
    #[error("ffmpeg is not installed; install it with `apt-get install ffmpeg` or `brew install ffmpeg`")]
    NotInstalled,
    /// The input is empty.
    #[error("The file is empty")]
    Empty,
    /// The container is not one of the allowed ones: audio, an image, a playlist, a document.
    #[error("The file is not in a video format that is supported (webm, mp4, mov, m4v, mkv, avi)")]
    UnknownFormat,
    /// Audio only, with or without a cover image.
    #[error("The file has no video in it")]
    NoVideo,
    /// Corrupt or truncated, with ffmpeg's own message.
    #[error("The file is not a video that can be decoded: {0}")]
    Undecodable(String),
    /// The time limit was exceeded.
    #[error("Transcoding took longer than {0:?} and was stopped")]
    TooLong(Duration),
    /// The output does not fit.
    #[error("The disk is full")]
    DiskFull,
    /// ffmpeg was killed by a signal that we did not send.
    #[error("ffmpeg was killed by the operating system, possibly because memory ran out")]
    Killed,
    /// Any other error of the operating system.
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

/// The two programs and their time limit.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    /// A path, or a name to find in the `PATH`.
    pub ffmpeg: PathBuf,
    /// A path, or a name to find in the `PATH`.
    pub ffprobe: PathBuf,
    /// The maximum time for one file.
    pub time_limit: Duration,
}

impl Default for Ffmpeg {
    /// Returns the programs in the `PATH`, with four hours for a file.
    fn default() -> Self {
        Self { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into(), time_limit: Duration::from_hours(4) }
    }
}

impl Ffmpeg {
    /// Returns an error unless both programs can be run. Blocks for a moment.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] when one of them is missing.
    pub fn check_installed(&self) -> Result<(), Error> {
        for program in [&self.ffprobe, &self.ffmpeg] {
            std::process::Command::new(program).arg("-version").stdin(Stdio::null()).output()?;
        }
        Ok(())
    }

    /// Transcodes `input` to an mp4 in `output`, whatever their names. Dropping the future kills ffmpeg; the caller
    /// then removes the incomplete `output`, as after an error.
    ///
    /// # Errors
    /// Any [`Error`].
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
        command.args(INPUT_ARGUMENTS).arg("-i").arg(file_url(input)).args(OUTPUT_ARGUMENTS).arg(file_url(output));
        let mut child = spawn(command.stdout(Stdio::null()))?;
        let stderr = match child.stderr.take() {
            Some(stderr) => read_stderr_tail(stderr).await?,
            None => String::new(),
        };
        let status = child.wait().await?;
        if status.success() { Ok(()) } else { Err(error_from(status, &stderr, &[input, output])) }
    }

    async fn probe(&self, output: &Path) -> Result<Media, Error> {
        let mut command = Command::new(&self.ffprobe);
        command.args(PROBE_ARGUMENTS).arg(file_url(output)).stdout(Stdio::piped());
        let probe = spawn(&mut command)?.wait_with_output().await?;
        let size = tokio::fs::metadata(output).await.map_err(Error::Io)?.len();
        // When only the header of a file is readable, ffmpeg succeeds but writes no frame.
        serde_json::from_slice::<Probe>(&probe.stdout)
            .ok()
            .and_then(|probe| probe.media(size))
            .ok_or_else(|| Error::Undecodable("it contains no frame".to_owned()))
    }
}

/// Returns a path as ffmpeg's `file:` URL, which is never taken for an option or another protocol.
fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
}

/// Reads to the end and returns the last [`STDERR_TAIL_BYTES`].
async fn read_stderr_tail(mut stderr: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut tail = Vec::with_capacity(STDERR_TAIL_BYTES);
    while stderr.read_buf(&mut tail).await? > 0 {
        let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
        tail.drain(..excess);
    }
    Ok(String::from_utf8_lossy(&tail).into_owned())
}

/// Returns the error for ffmpeg's exit status and stderr; ffmpeg's own message is kept where it helps.
fn error_from(status: ExitStatus, stderr: &str, paths: &[&Path]) -> Error {
    if status.code().is_none() {
        return Error::Killed;
    }
    if stderr.contains("No space left on device") {
        return Error::DiskFull;
    }
    if stderr.contains("Format not on whitelist") {
        return Error::UnknownFormat;
    }
    if stderr.contains("matches no streams") {
        return Error::NoVideo;
    }
    let line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    Error::Undecodable(line.map_or_else(|| "ffmpeg gave no reason".to_owned(), |line| without_paths(line, paths)))
}

/// Returns `Invalid data` for `[mov @ 0x55d0] file:/data/1: Invalid data`.
fn without_paths(line: &str, paths: &[&Path]) -> String {
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
    /// Seconds, as a decimal number in a string.
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
    fn a_message_contains_no_path_and_no_address() {
        let paths = [Path::new("/data/objects/1"), Path::new("/data/objects/2")];
        let message = |line| without_paths(line, &paths);
        assert_eq!(message("file:/data/objects/1: Invalid data found"), "Invalid data found");
        assert_eq!(message("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55d0] moov atom not found"), "moov atom not found");
        assert_eq!(
            message("Could not write header for /data/objects/2: no codec"),
            "Could not write header for the file: no codec"
        );
    }

    #[tokio::test]
    async fn only_the_tail_of_stderr_is_kept() {
        let long = "an error\n".repeat(10_000) + "the reason\n";
        let tail = read_stderr_tail(long.as_bytes()).await.unwrap();
        assert!(tail.len() <= STDERR_TAIL_BYTES);
        assert!(tail.ends_with("an error\nthe reason\n"));
    }
}
