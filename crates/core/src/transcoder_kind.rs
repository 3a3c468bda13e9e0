//! The transcoders that a deployment can use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::ValidationError;

/// A transcoding service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TranscoderKind {
    /// Amazon Elastic Transcoder, the original's; AWS closed it on 2025-11-13.
    ElasticTranscoder,
    /// AWS Elemental MediaConvert.
    MediaConvert,
}

impl TranscoderKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::ElasticTranscoder, Self::MediaConvert];

    /// Returns the name as `TRANSCODER` and the records spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ElasticTranscoder => "elastictranscoder",
            Self::MediaConvert => "mediaconvert",
        }
    }

    /// Returns the name as people write it.
    #[must_use]
    pub fn service_name(self) -> &'static str {
        match self {
            Self::ElasticTranscoder => "Elastic Transcoder",
            Self::MediaConvert => "MediaConvert",
        }
    }
}

impl FromStr for TranscoderKind {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or(ValidationError { field: "transcoder", rule: "elastictranscoder or mediaconvert" })
    }
}

impl fmt::Display for TranscoderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_spelled_alike_in_text_and_json() {
        for kind in TranscoderKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        let error = "ffmpeg".parse::<TranscoderKind>().unwrap_err();
        assert_eq!(error.to_string(), "transcoder must be elastictranscoder or mediaconvert");
    }
}
