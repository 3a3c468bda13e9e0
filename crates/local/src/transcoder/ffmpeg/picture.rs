//! Pictures of a video.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{Error, Ffmpeg, INPUT_ARGUMENTS, end, file_url, spawn};

/// The format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

impl PictureFormat {
    /// Returns the media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    fn codec(self) -> &'static str {
        match self {
            Self::Jpeg => "mjpeg",
            Self::Png => "png",
        }
    }
}

impl Ffmpeg {
    /// Writes the frame at a time of a video to `picture`, at most as wide and high as `limits`; an empty file when the
    /// video has no such frame.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn picture(
        &self,
        video: &Path,
        at: Duration,
        format: PictureFormat,
        (width, height): (u32, u32),
        picture: &Path,
    ) -> Result<(), Error> {
        let scale = format!("scale='min({width},iw)':'min({height},ih)':force_original_aspect_ratio=decrease");
        let mut command = Command::new(&self.ffmpeg);
        command.args(INPUT_ARGUMENTS).args(["-ss", &at.as_secs_f64().to_string()]).arg("-i").arg(file_url(video));
        command.args(["-map", "0:V:0", "-frames:v", "1", "-vf", &scale, "-c:v", format.codec(), "-f", "image2pipe"]);
        command.arg(file_url(picture)).stdout(Stdio::null());
        let paths = [video, picture];
        let ended = tokio::time::timeout(self.time_limit, end(spawn(&mut command)?, &paths));
        ended.await.map_err(|_| Error::TooLong(self.time_limit))?
    }
}
