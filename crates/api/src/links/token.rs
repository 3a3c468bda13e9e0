//! The token of an upload link: a PASETO v4.local, so its bearer learns nothing from it and can change nothing in it.
//!
//! See <https://github.com/paseto-standard/paseto-spec/blob/master/docs/01-Protocol-Versions/Version4.md>.

use std::time::SystemTime;

use rusty_paseto::core::{Key, Local, Paseto, PasetoNonce, PasetoSymmetricKey, Payload, V4};
use serde::{Deserialize, Serialize};
use video_core::time::{parse_rfc3339, rfc3339};

use crate::upload_target::UploadTarget;

/// The key that seals tokens.
pub type LinkKey = PasetoSymmetricKey<V4, Local>;

/// Whose video a link uploads, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadLink {
    pub target: UploadTarget,
    pub expires_at: SystemTime,
}

/// What a token contains; the names are those of JWT and PASETO where they have one.
#[derive(Serialize, Deserialize)]
struct Claims {
    project: String,
    step: String,
    sub: String,
    exp: String,
}

impl UploadLink {
    /// Seals the link in a token for the path of a URL.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn seal(&self, key: &LinkKey) -> Result<String, video_core::Error> {
        let claims = Claims {
            project: self.target.project.to_string(),
            step: self.target.step.to_string(),
            sub: self.target.mail.as_str().to_owned(),
            exp: rfc3339(self.expires_at),
        };
        // Texts and numbers can always be written.
        let claims = serde_json::to_string(&claims).unwrap_or_default();
        let unavailable = |reason| video_core::Error::Unavailable { service: "PASETO", operation: "encrypt", reason };
        let nonce = Key::<32>::try_new_random().map_err(|error| unavailable(error.to_string()))?;
        let nonce = PasetoNonce::<V4, Local>::from(&nonce);
        let sealed =
            Paseto::<V4, Local>::builder().set_payload(Payload::from(claims.as_str())).try_encrypt(key, &nonce);
        sealed.map_err(|error| unavailable(error.to_string()))
    }

    /// Opens a token; none if it was not sealed with this key.
    pub fn open(token: &str, key: &LinkKey) -> Option<Self> {
        let claims = Paseto::<V4, Local>::try_decrypt(token, key, None, None).ok()?;
        let claims: Claims = serde_json::from_str(&claims).ok()?;
        let target = UploadTarget {
            project: claims.project.parse().ok()?,
            step: claims.step.parse().ok()?,
            mail: claims.sub.parse().ok()?,
        };
        Some(Self { target, expires_at: parse_rfc3339(&claims.exp)? })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn key(byte: u8) -> LinkKey {
        LinkKey::from(Key::<32>::from([byte; 32]))
    }

    fn link() -> UploadLink {
        let target = UploadTarget {
            project: "Alba".parse().unwrap(),
            step: "-2".parse().unwrap(),
            mail: "canary@example.com".parse().unwrap(),
        };
        UploadLink { target, expires_at: UNIX_EPOCH + Duration::from_hours(500_000) }
    }

    #[test]
    fn a_token_opens_to_what_was_sealed_and_shows_nothing_of_it() {
        let token = link().seal(&key(1)).unwrap();
        assert_eq!(UploadLink::open(&token, &key(1)), Some(link()));
        assert!(token.starts_with("v4.local.") && !token.contains('/') && !token.contains('%'), "{token}");
        assert_ne!(token, link().seal(&key(1)).unwrap());
    }

    #[test]
    fn a_token_that_is_forged_truncated_extended_or_of_another_key_does_not_open() {
        let token = link().seal(&key(1)).unwrap();
        assert_eq!(UploadLink::open(&token, &key(2)), None);
        for length in 0..token.len() {
            assert_eq!(UploadLink::open(&token[..length], &key(1)), None, "{length} characters");
        }
        for position in "v4.local.".len()..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character carries bits that decode to nothing.
            let same = position == token.len() - 1;
            assert!(same || UploadLink::open(&forged, &key(1)).is_none(), "character {position}");
        }
        for other in [format!("{token}.Zm9v"), token.replace("v4", "v3"), token.replace("local", "public")] {
            assert_eq!(UploadLink::open(&other, &key(1)), None, "{other}");
        }
    }
}
