//! The order of the uploads of one key.

use std::fmt;
use std::str::FromStr;

use super::ValidationError;

/// The order of the uploads of one key, as S3 numbers them.
///
/// Numbers differ in length: AWS says to pad the shorter one with zeros on the right and to compare as text. All are
/// padded to 40 digits here, so that DynamoDB can compare them. See
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequencer(String);

impl Sequencer {
    /// Returns the sequencer as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sequencer {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        if (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(format!("{:0<40}", text.to_ascii_uppercase())))
        } else {
            Err(ValidationError { field: "sequencer", rule: "1 to 40 hexadecimal digits" })
        }
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
        for bad in ["", "xyz", &"0".repeat(41)] {
            assert!(bad.parse::<Sequencer>().is_err(), "{bad}");
        }
    }
}
