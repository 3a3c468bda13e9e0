//! The media types that a form may be issued for.

use std::str::FromStr;

use super::ValidationError;

/// What a browser may upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MediaType {
    /// `video/webm`: Chrome and Firefox record it, and the only one of the original.
    #[default]
    Webm,
    /// `video/mp4`: Safari records it.
    Mp4,
    /// `video/quicktime`: the format of an iPhone's library.
    QuickTime,
}

impl MediaType {
    pub(super) const ALL: [Self; 3] = [Self::Webm, Self::Mp4, Self::QuickTime];

    /// Returns the media type that a file's name ends like, in any case.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Self::ALL.into_iter().find(|media_type| media_type.extension().eq_ignore_ascii_case(extension))
    }

    /// Returns the media type as in RFC 6838: the form's Content-Type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Webm => "video/webm",
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
        }
    }

    /// Returns the extension of an uploaded key, without the dot.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Webm => "webm",
            Self::Mp4 => "mp4",
            Self::QuickTime => "mov",
        }
    }
}

impl FromStr for MediaType {
    type Err = ValidationError;

    /// Reads a media type, whose parameters do not matter: `video/webm;codecs=vp8,opus` is what a recorder calls it.
    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let essence = text.split(';').next().unwrap_or_default().trim_ascii();
        Self::ALL
            .into_iter()
            .find(|media_type| media_type.content_type().eq_ignore_ascii_case(essence))
            .ok_or(ValidationError { field: "type", rule: "video/webm, video/mp4 or video/quicktime" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_media_type_has_its_extension() {
        for (text, extension) in [("video/webm", "webm"), ("video/mp4", "mp4"), ("video/quicktime", "mov")] {
            let media_type: MediaType = text.parse().unwrap();
            assert_eq!((media_type.content_type(), media_type.extension()), (text, extension));
        }
        assert_eq!("video/x-msvideo".parse::<MediaType>().unwrap_err().field, "type");
    }

    #[test]
    fn parameters_and_case_of_a_media_type_do_not_matter() {
        for text in ["video/webm;codecs=vp8,opus", "video/webm; codecs=\"vp9\"", "video/webm;", "VIDEO/WebM"] {
            assert_eq!(text.parse(), Ok(MediaType::Webm), "{text}");
        }
        for text in ["", ";", "video/webmx", "video/webm,video/mp4", "webm"] {
            assert!(text.parse::<MediaType>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_name_tells_the_media_type_by_its_extension() {
        assert_eq!(MediaType::of_file_name("IMG_1.MOV"), Some(MediaType::QuickTime));
        assert_eq!(MediaType::of_file_name("a.b.mp4"), Some(MediaType::Mp4));
        for name in ["", "mp4", "a.avi", "a.mp4.txt"] {
            assert_eq!(MediaType::of_file_name(name), None, "{name}");
        }
    }
}
