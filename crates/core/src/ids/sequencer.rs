//! The order of the uploads of one key.

use std::fmt;
use std::str::FromStr;

use super::ValidationError;

/// The order of the uploads of one key, as S3 numbers them, and of the retries of each.
///
/// Numbers differ in length: AWS says to pad the shorter one with zeros on the right and to compare as text. All are
/// padded to 40 digits here, so that DynamoDB can compare them. See
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequencer(String);

/// S3's digits as stored.
const LENGTH: usize = 40;

impl Sequencer {
    /// Returns the sequencer as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the sequencer of the next retry: the suffix `.0001`, then `.0002`. It sorts after its upload, whose
    /// number it starts with, and before the next upload. `None` after 9,999 retries.
    #[must_use]
    pub fn next_retry(&self) -> Option<Self> {
        let upload = self.0.get(..LENGTH)?;
        let retry = self.0.get(LENGTH + 1..).map_or(Ok(0), str::parse::<u16>).ok()? + 1;
        (retry <= 9999).then(|| Self(format!("{upload}.{retry:04}")))
    }

    /// Returns whether this is a retry of an upload.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.0.len() > LENGTH
    }

    /// Returns the sequencer as part of a file name, where a dot would begin an extension.
    #[must_use]
    pub(crate) fn file_name(&self) -> String {
        self.0.replace('.', "-")
    }
}

impl FromStr for Sequencer {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let (digits, retry) = text.split_once('.').map_or((text, None), |(digits, retry)| (digits, Some(retry)));
        let is_upload = (1..=LENGTH).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let is_retry = |retry: &str| retry.len() == 4 && retry.bytes().all(|b| b.is_ascii_digit());
        if !is_upload || !retry.is_none_or(is_retry) {
            return Err(ValidationError { field: "sequencer", rule: "1 to 40 hexadecimal digits" });
        }
        let upload = format!("{:0<LENGTH$}", digits.to_ascii_uppercase());
        Ok(Self(retry.map_or(upload.clone(), |retry| format!("{upload}.{retry}"))))
    }
}

impl fmt::Display for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequencers_of_unequal_length_compare_as_aws_says() {
        let sequencer = |text: &str| text.parse::<Sequencer>().unwrap();
        assert_eq!(sequencer("0055aed6dcd90281e5").as_str(), "0055AED6DCD90281E50000000000000000000000");
        assert_eq!(sequencer("0A"), sequencer("0a00"));
        assert!(sequencer("0A1") > sequencer("0A"));
        assert!(sequencer("0B") > sequencer("0AFFFFFF"));
        for bad in ["", "xyz", &"0".repeat(41), "0A.", "0A.1", "0A.00001", "0A.000x", ".0001"] {
            assert!(bad.parse::<Sequencer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_retry_sorts_after_its_upload_and_before_the_next_one() {
        let upload: Sequencer = "0A".parse().unwrap();
        let first = upload.next_retry().unwrap();
        let second = first.next_retry().unwrap();
        assert_eq!(first.as_str(), format!("{upload}.0001"));
        assert_eq!(second.as_str(), format!("{upload}.0002"));
        assert_eq!(first.as_str().parse(), Ok(first.clone()));
        assert!(upload < first && first < second && second < format!("0A{}1", "0".repeat(37)).parse().unwrap());
        let last: Sequencer = "0A.9999".parse().unwrap();
        assert_eq!(last.next_retry(), None);
    }
}
