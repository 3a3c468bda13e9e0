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

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        [Self::Webm, Self::Mp4, Self::QuickTime]
            .into_iter()
            .find(|media_type| media_type.content_type() == text)
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
        assert!("VIDEO/WEBM".parse::<MediaType>().is_err());
    }
}
