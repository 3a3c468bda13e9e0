//! A short-lived link for one request: S3's presigned URL, signed with SigV4 in the query.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use percent_encoding::utf8_percent_encode;
use sha2::{Digest, Sha256};

use super::signer::{ALGORITHM, Scope, Signer};
use crate::percent::QUERY;

/// About the length of a link's query without the session token.
const QUERY_LENGTH: usize = 300;

/// What a presigned URL allows.
#[derive(Debug)]
pub struct PresignedRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// One of [`super::Bucket::object_url`], whose path is encoded as SigV4 wants it.
    pub object_url: &'a str,
    /// Parameters of the query, in the order of their names, which all sort behind `X-Amz-`.
    pub query: &'a [(&'a str, &'a str)],
    /// The length of the body, if it must have just this one.
    pub content_length: Option<u64>,
    /// How long it can be used; it ends earlier when the credentials do.
    pub expires_in: Duration,
}

impl Signer {
    /// Returns `object_url` with a signature that lets anyone GET it for `expires_in`, or until the credentials end.
    #[must_use]
    pub fn presign_get(&self, object_url: &str, expires_in: Duration, now: SystemTime) -> String {
        let request = PresignedRequest { method: "GET", object_url, query: &[], content_length: None, expires_in };
        self.presign(&request, now)
    }

    /// Returns the URL with a signature that lets anyone send this one request.
    #[must_use]
    pub fn presign(&self, request: &PresignedRequest, now: SystemTime) -> String {
        let scope = self.scope(now);
        let (host, path) = host_and_path(request.object_url);
        let length = request.content_length.map(|length| format!("content-length:{length}\n")).unwrap_or_default();
        let signed_headers = if length.is_empty() { "host" } else { "content-length;host" };
        let query = self.query(request, &scope, signed_headers, now);

        // Hashed piece by piece: most of it is the session token, which need not be copied once more.
        let mut canonical_request = Sha256::new();
        for part in [request.method, "\n", path, "\n", &query, "\n", &length, "host:", host, "\n\n", signed_headers] {
            canonical_request.update(part);
        }
        canonical_request.update("\nUNSIGNED-PAYLOAD");
        let digest = hex::encode(canonical_request.finalize());
        let string_to_sign = format!("{ALGORITHM}\n{}\n{}\n{digest}", scope.date, scope.text);
        let signature = self.signature(&string_to_sign, now);
        [request.object_url, "?", &query, "&X-Amz-Signature=", &signature].concat()
    }

    /// Returns the parameters in the order of their names, which the canonical request asks for.
    fn query(&self, request: &PresignedRequest, scope: &Scope, signed_headers: &str, now: SystemTime) -> String {
        let lifetime = self.lifetime(request.expires_in, now).as_secs().to_string();
        let mut query = String::with_capacity(QUERY_LENGTH + self.encoded_token().map_or(0, str::len));
        let mut add = |name: &str, value: &str| {
            let separator = if query.is_empty() { "" } else { "&" };
            query.extend([separator, name, "="]);
            query.push_str(value);
        };
        let encoded = |value| Cow::from(utf8_percent_encode(value, QUERY));
        add("X-Amz-Algorithm", ALGORITHM);
        add("X-Amz-Credential", &encoded(&scope.credential));
        add("X-Amz-Date", &scope.date);
        add("X-Amz-Expires", &lifetime);
        if let Some(token) = self.encoded_token() {
            add("X-Amz-Security-Token", token);
        }
        add("X-Amz-SignedHeaders", &encoded(signed_headers));
        for (name, value) in request.query {
            add(name, &encoded(value));
        }
        query
    }

    /// Returns how long a signature of now lasts.
    #[must_use]
    pub fn lifetime(&self, expires_in: Duration, now: SystemTime) -> Duration {
        self.expiry(now, expires_in).duration_since(now).unwrap_or_default()
    }
}

fn host_and_path(url: &str) -> (&str, &str) {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').unwrap_or(after_scheme.len());
    after_scheme.split_at(path)
}

#[cfg(test)]
mod tests {
    use aws_sigv4::http_request::{
        PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;

    use super::*;
    use crate::aws::{AwsConfig, Bucket};
    use crate::time::parse_rfc3339;

    fn aws(token: Option<&str>, endpoint: Option<&str>) -> AwsConfig {
        let lookup = |name: &str| match name {
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7EXAMPLE".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            "AWS_SESSION_TOKEN" => token.map(str::to_owned),
            "AWS_ENDPOINT_URL_S3" => endpoint.map(str::to_owned),
            _ => None,
        };
        AwsConfig::from_env(&lookup).unwrap()
    }

    /// The worked example of AWS's page on query-string authentication.
    #[test]
    fn the_signature_of_the_aws_example_is_reproduced() {
        let aws = aws(None, None);
        let now = parse_rfc3339("2013-05-24T00:00:00Z").unwrap();
        let url = Bucket::new("examplebucket", &aws).object_url("test.txt");
        let link = Signer::new(&aws).presign_get(&url, Duration::from_hours(24), now);
        let start = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                     &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request";
        assert!(link.starts_with(start), "{link}");
        let end = "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert!(link.ends_with(end), "{link}");
    }

    /// What the SDK's own signer makes of the same request.
    fn signed_by_the_sdk(
        aws: &AwsConfig,
        (method, url): (&str, &str),
        headers: &[(&str, &str)],
        (expires_in, now): (Duration, SystemTime),
    ) -> String {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires_in);
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = aws.credentials.clone().into();
        let parameters = v4::SigningParams::builder().identity(&identity).region(&aws.region).name("s3");
        let parameters = parameters.time(now).settings(settings).build().unwrap();
        let headers = headers.iter().copied();
        let request = SignableRequest::new(method, url, headers, SignableBody::UnsignedPayload).unwrap();
        sign(request, &parameters.into()).unwrap().into_parts().1
    }

    #[test]
    fn every_link_equals_the_sdks_for_tokens_endpoints_and_odd_keys() {
        let (now, hour) = (parse_rfc3339("2026-11-24T03:00:00Z").unwrap(), Duration::from_hours(1));
        for token in [None, Some("a/token+with=signs")] {
            for endpoint in [None, Some("http://127.0.0.1:9001")] {
                let aws = aws(token, endpoint);
                for key in ["Alba/0/c5e866594d810c0c3e1f.webm", "a b+c%/ü🎬~.mov", "a//../b.mp4"] {
                    let url = Bucket::new("media", &aws).object_url(key);
                    let link = Signer::new(&aws).presign_get(&url, hour, now);
                    let expected = signed_by_the_sdk(&aws, ("GET", &url), &[], (hour, now));
                    assert!(link.ends_with(&format!("&X-Amz-Signature={expected}")), "{link}");
                }
            }
        }
    }

    #[test]
    fn the_link_of_a_part_equals_the_sdks_and_may_fix_its_length() {
        let (now, hour) = (parse_rfc3339("2026-11-24T03:00:00Z").unwrap(), Duration::from_hours(1));
        let aws = aws(Some("a/token+with=signs"), None);
        let object_url = Bucket::new("media", &aws).object_url("Alba/0/c5e866594d810c0c3e1f.webm");
        let query = [("partNumber", "7"), ("uploadId", "a.b_c-d~e/f+g=")];
        let with_query = format!("{object_url}?partNumber=7&uploadId=a.b_c-d~e%2Ff%2Bg%3D");
        for content_length in [None, Some(5_242_880)] {
            let request = PresignedRequest {
                method: "PUT",
                object_url: &object_url,
                query: &query,
                content_length,
                expires_in: hour,
            };
            let link = Signer::new(&aws).presign(&request, now);
            let length = content_length.map(|length| length.to_string());
            let headers: Vec<_> = length.iter().map(|length| ("content-length", length.as_str())).collect();
            let expected = signed_by_the_sdk(&aws, ("PUT", &with_query), &headers, (hour, now));
            assert!(link.ends_with(&format!("&X-Amz-Signature={expected}")), "{link}");
            assert_eq!(link.contains("content-length"), content_length.is_some());
        }
    }
}
