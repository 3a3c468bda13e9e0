//! A person's mail and the hash that stands for it in keys.

use std::fmt;
use std::str::FromStr;

use blake2::digest::consts::U10;
use blake2::{Blake2b, Digest};

use super::ValidationError;

/// What stands for the mail in the record of an unsolicited upload.
pub(crate) const PLACEHOLDER_PREFIX: &str = "unknown/";
/// What stands for the mail in a tombstone.
pub(crate) const TOMBSTONE_PREFIX: &str = "erased/";
/// No person's mail starts so, or its record would be taken for something else.
const RESERVED_PREFIXES: [&str; 2] = [PLACEHOLDER_PREFIX, TOMBSTONE_PREFIX];

/// A person's mail: private, so it has no `Display` and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail(String);

impl Mail {
    /// Returns the address itself: for the table and the admin's answer only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the hash that stands in keys instead of the mail: blake2b with a digest of 80 bits over the UTF-8
    /// bytes, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        format!("{:x}", Blake2b::<U10>::digest(self.0.as_bytes()))
    }
}

impl FromStr for Mail {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let rule = if text.len() > 254 {
            "at most 254 bytes long"
        } else if text.contains(char::REPLACEMENT_CHARACTER) {
            "valid UTF-8"
        } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            "free of spaces and control characters (a + in a query must be written %2B)"
        } else if text.matches('@').count() != 1 || text.starts_with('@') || text.ends_with('@') {
            "an address with exactly one @ between a name and a host"
        } else if RESERVED_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            "an address that starts neither with unknown/ nor with erased/"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(ValidationError { field: "mail", rule })
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_has_one_at_sign_and_nothing_odd() {
        for good in ["a@b", "x+y@z.w", "é@x.y", &format!("{}@b", "a".repeat(252))] {
            assert_eq!(good.parse::<Mail>().as_ref().map(Mail::as_str), Ok(good));
        }
        for (bad, rule) in [
            ("ab", "exactly one @"),
            ("a@b@c", "exactly one @"),
            ("@b", "exactly one @"),
            ("a@", "exactly one @"),
            ("a b@c", "free of spaces"),
            ("a\u{a0}b@c", "free of spaces"),
            ("a@b\n", "free of spaces"),
            ("a\0@b", "free of spaces"),
            ("a\u{fffd}@b", "valid UTF-8"),
            (format!("{}@b", "a".repeat(253)).as_str(), "at most 254 bytes"),
            ("unknown/clip@b", "starts neither with unknown/"),
            ("erased/clip@b", "starts neither with unknown/"),
        ] {
            let error = bad.parse::<Mail>().unwrap_err().to_string();
            assert!(error.starts_with("mail must be") && error.contains(rule), "{bad}: {error}");
        }
    }

    #[test]
    fn a_mail_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", "canary@example.com".parse::<Mail>().unwrap()), "Mail(..)");
    }
}
