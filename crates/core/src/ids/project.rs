//! A project's name.

use std::fmt;
use std::str::FromStr;

use super::ValidationError;

/// A project's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, without `-` at its end, or step 1 of `a-` and step -1 of `a`
/// would share a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project(String);

impl FromStr for Project {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let holds_only = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if starts_well && !text.ends_with('-') && holds_only && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValidationError {
                field: "project",
                rule: "1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit and not ending in '-'",
            })
        }
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_a_small_alphabet() {
        for good in ["a", "9", "Alba", "a-b._c", "a.", "a_", &"x".repeat(64)] {
            assert!(good.parse::<Project>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--", ".a", "_a", "a b", "a/b", "ä", "a\n", "a%", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Project>().unwrap_err().field, "project", "{bad}");
        }
    }
}
