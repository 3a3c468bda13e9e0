//! SigV4 signatures for S3 with a key that is derived once a day, however many forms and links are signed with it.
//!
//! See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use percent_encoding::utf8_percent_encode;

use super::AwsConfig;
use crate::percent::QUERY;
use crate::time::{amz_date, epoch_seconds};

/// The algorithm as every signature names it.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Signs forms and links for buckets of one region. Its credentials must be allowed what a form or link does at the
/// time that it is used.
pub struct Signer {
    region: String,
    credentials: Credentials,
    /// The session token as a link's query has it: long, and the same in every link of a page.
    encoded_token: Option<String>,
    /// A day, counted since 1970, and its key. Deriving it takes longer than signing with it.
    key: Mutex<Option<(u64, Vec<u8>)>>,
}

/// What every signature of one instant has in common.
pub(super) struct Scope {
    /// `x-amz-date`.
    pub date: String,
    /// `{day}/{region}/s3/aws4_request`.
    pub text: String,
    /// `x-amz-credential`: the access key ID and the scope.
    pub credential: String,
}

impl Signer {
    /// Creates a signer for the region and with the credentials of `aws`.
    #[must_use]
    pub fn new(aws: &AwsConfig) -> Self {
        let credentials = aws.credentials.clone();
        let encoded_token = credentials.session_token().map(|token| utf8_percent_encode(token, QUERY).to_string());
        Self { region: aws.region.clone(), credentials, encoded_token, key: Mutex::new(None) }
    }

    pub(super) fn scope(&self, now: SystemTime) -> Scope {
        let date = amz_date(now);
        let day = date.get(..8).unwrap_or_default();
        let text = format!("{day}/{}/s3/aws4_request", self.region);
        let credential = format!("{}/{text}", self.credentials.access_key_id());
        Scope { date, text, credential }
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.credentials.session_token()
    }

    pub(super) fn encoded_token(&self) -> Option<&str> {
        self.encoded_token.as_deref()
    }

    /// Returns when a signature ends: after `expires_in`, or earlier with the credentials, since S3 refuses it then.
    pub(super) fn expiry(&self, now: SystemTime, expires_in: Duration) -> SystemTime {
        let end = now + expires_in;
        self.credentials.expiry().map_or(end, |credentials_end| end.min(credentials_end))
    }

    /// Signs a text with the key of the day.
    pub(super) fn signature(&self, string_to_sign: &str, now: SystemTime) -> String {
        let today = epoch_seconds(now) / SECONDS_PER_DAY;
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let todays = key.take().filter(|(day, _)| *day == today);
        let (_, key) = key.insert(todays.unwrap_or_else(|| (today, self.derive_key(now))));
        calculate_signature(key, string_to_sign.as_bytes())
    }

    fn derive_key(&self, now: SystemTime) -> Vec<u8> {
        generate_signing_key(self.credentials.secret_access_key(), now, &self.region, "s3").as_ref().to_vec()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_rfc3339;

    fn signer(expiration: Option<&str>) -> Signer {
        signer_of("canary", expiration)
    }

    fn signer_of(secret: &str, expiration: Option<&str>) -> Signer {
        let lookup = |name: &str| match name {
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7EXAMPLE".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some(secret.to_owned()),
            "AWS_CREDENTIAL_EXPIRATION" => expiration.map(str::to_owned),
            _ => None,
        };
        Signer::new(&AwsConfig::from_env(&lookup).unwrap())
    }

    #[test]
    fn each_day_has_a_key_of_its_own() {
        let (reused, start) = (signer(None), parse_rfc3339("2026-11-24T03:00:00Z").unwrap());
        for hours in [0, 1, 24, 25, 0] {
            let now = start + Duration::from_hours(hours);
            assert_eq!(reused.signature("text", now), signer(None).signature("text", now), "after {hours} h");
        }
        let tomorrow = start + Duration::from_hours(24);
        assert_ne!(reused.signature("text", start), reused.signature("text", tomorrow));
    }

    #[test]
    fn other_credentials_have_other_keys() {
        let now = parse_rfc3339("2026-11-24T03:00:00Z").unwrap();
        let (first, second) = (signer_of("canary", None), signer_of("canary2", None));
        assert_eq!(first.signature("text", now), signer_of("canary", None).signature("text", now));
        assert_ne!(first.signature("text", now), second.signature("text", now));
    }

    #[test]
    fn a_signature_ends_with_the_credentials() {
        let now = parse_rfc3339("2026-11-24T03:00:00Z").unwrap();
        let hour = Duration::from_hours(1);
        assert_eq!(signer(None).expiry(now, hour), now + hour);
        assert_eq!(signer(Some("2026-11-24T05:00:00Z")).expiry(now, hour), now + hour);
        assert_eq!(signer(Some("2026-11-24T03:30:00Z")).expiry(now, hour), now + hour / 2);
    }

    #[test]
    fn debug_output_shows_nothing_that_signs() {
        assert_eq!(format!("{:?}", signer(None)), "Signer(us-east-1)");
    }
}
