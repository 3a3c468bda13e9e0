//! ffmpeg, which transcodes a file to the "Web" preset's mp4 and makes pictures of it, and ffprobe, which reads the
//! facts of the result.

mod error;
mod picture;
mod probe;
mod progress;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use self::error::error_from;

pub use error::Error;
pub use picture::PictureFormat;
pub use probe::Media;
pub use progress::Progress;

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

/// How much of ffmpeg's stderr is kept: for a corrupt file it may report an error for every frame.
const STDERR_TAIL_BYTES: usize = 8 * 1024;

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

    /// Transcodes `input`, or its beginning of that length, to an mp4 in `output`, whatever their names, and sends how
    /// far it is. Dropping the future kills ffmpeg; the caller then removes the incomplete `output`, as after an error.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn transcode(
        &self,
        input: &Path,
        clip: Option<Duration>,
        output: &Path,
        progress: &watch::Sender<Option<Progress>>,
    ) -> Result<Media, Error> {
        if tokio::fs::metadata(input).await.map_err(Error::Io)?.len() == 0 {
            return Err(Error::Empty);
        }
        tokio::time::timeout(self.time_limit, async {
            self.encode(input, clip, output, progress).await?;
            self.media(output).await
        })
        .await
        .map_err(|_| Error::TooLong(self.time_limit))?
    }

    async fn encode(
        &self,
        input: &Path,
        clip: Option<Duration>,
        output: &Path,
        progress: &watch::Sender<Option<Progress>>,
    ) -> Result<(), Error> {
        let duration = self.duration(input).await;
        let duration = duration.map(|duration| clip.map_or(duration, |clip| clip.min(duration)));
        let mut command = Command::new(&self.ffmpeg);
        command.args(INPUT_ARGUMENTS).args(progress::ARGUMENTS);
        if let Some(clip) = clip {
            command.arg("-t").arg(clip.as_secs_f64().to_string());
        }
        command.arg("-i").arg(file_url(input));
        let mut child = spawn(command.args(OUTPUT_ARGUMENTS).arg(file_url(output)).stdout(Stdio::piped()))?;
        let stdout = child.stdout.take();
        let reports = async {
            match stdout {
                Some(stdout) => Ok(progress::read(stdout, duration, progress).await?),
                None => Ok(()),
            }
        };
        // Together: ffmpeg would wait for whichever pipe is full.
        let paths = [input, output];
        tokio::try_join!(reports, end(child, &paths)).map(|((), ())| ())
    }
}

/// Waits until ffmpeg has ended.
async fn end(mut child: Child, paths: &[&Path]) -> Result<(), Error> {
    let stderr = match child.stderr.take() {
        Some(stderr) => read_stderr_tail(stderr).await?,
        None => String::new(),
    };
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(error_from(status, &stderr, paths)) }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_tail_of_stderr_is_kept() {
        let long = "an error\n".repeat(10_000) + "the reason\n";
        let tail = read_stderr_tail(long.as_bytes()).await.unwrap();
        assert!(tail.len() <= STDERR_TAIL_BYTES);
        assert!(tail.ends_with("an error\nthe reason\n"));
    }
}
