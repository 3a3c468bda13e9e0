//! Why a file was not transcoded, in words for an admin.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

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

/// Returns the error for ffmpeg's exit status and stderr; ffmpeg's own message is kept where it helps.
pub(super) fn error_from(status: ExitStatus, stderr: &str, paths: &[&Path]) -> Error {
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
    let reason = line.map_or_else(|| "ffmpeg gave no reason".to_owned(), |line| without_paths(line, paths));
    // A recording of which only the header was sent.
    let ends_early = reason == "End of file";
    Error::Undecodable(if ends_early { "it ends before its first frame".to_owned() } else { reason })
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

#[cfg(test)]
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
}
