//! A step of a project, and the partition of a record that both make.

use std::fmt;
use std::str::FromStr;

use super::{Project, ValidationError};

/// A step of a project; what is not a number is step 0, as it was in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(pub(super) i64);

impl From<i64> for Step {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl FromStr for Step {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let text = text.trim();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(0));
        }
        text.parse().map(Self).map_err(|_| ValidationError {
            field: "step",
            rule: "a whole number from -9223372036854775808 to 9223372036854775807",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Returns the partition of a record, `{project}-{step}`. Never parsed back: a project may hold `-` and a step may be
/// negative.
#[must_use]
pub fn project_step(project: &Project, step: Step) -> String {
    format!("{project}-{step}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_number_or_zero_and_never_a_silent_overflow() {
        for (text, step) in [
            ("0", 0),
            ("7", 7),
            ("-3", -3),
            ("+7", 7),
            ("007", 7),
            (" 7 ", 7),
            ("-0", 0),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(text.parse(), Ok(Step(step)), "{text}");
        }
        for text in ["", "first", "1.5", "1e3", "-", "+-1", "0x10", "७"] {
            assert_eq!(text.parse(), Ok(Step(0)), "{text}");
        }
        for text in ["9223372036854775808", "-9223372036854775809", &"9".repeat(400)] {
            assert_eq!(text.parse::<Step>().unwrap_err().field, "step", "{text}");
        }
    }
}
