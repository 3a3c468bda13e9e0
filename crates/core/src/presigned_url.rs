//! A short-lived link to one object: S3's presigned GET, signed with SigV4 in the query.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Error;
use crate::bucket::Bucket;
use crate::presigned_post::expiry;

/// A URL that anyone can GET until it expires, at the latest with the credentials.
///
/// # Errors
/// [`Error::Credentials`] when the signer refuses them.
pub fn presign(
    bucket: &Bucket,
    region: &str,
    key: &str,
    credentials: &Credentials,
    now: SystemTime,
    expires_in: Duration,
) -> Result<String, Error> {
    let refused = |reason: &dyn std::fmt::Display| Error::Credentials(reason.to_string());
    let url = bucket.object_url(key);
    let lifetime = expiry(now, expires_in, credentials.expiry()).duration_since(now).unwrap_or_default();

    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(lifetime);
    // S3 takes a path as it is: neither encoded twice nor with its dots and slashes folded.
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;

    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|e| refused(&e))?;
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::UnsignedPayload)
        .map_err(|e| refused(&e))?;
    let (instructions, _signature) = sign(request, &params.into()).map_err(|e| refused(&e))?.into_parts();

    let query: Vec<String> = instructions
        .params()
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY)))
        .collect();
    Ok(format!("{url}?{}", query.join("&")))
}

const QUERY: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Aws;
    use crate::time::parse_rfc3339;

    /// The worked example of AWS's page on query-string authentication.
    #[test]
    fn the_signature_of_the_aws_example_is_reproduced() {
        let lookup = |name: &str| match name {
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7EXAMPLE".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            _ => None,
        };
        let aws = Aws::read(&lookup).unwrap();
        let now = parse_rfc3339("2013-05-24T00:00:00Z").unwrap();
        let url = presign(
            &Bucket::new("examplebucket", &aws),
            "us-east-1",
            "test.txt",
            &aws.credentials,
            now,
            Duration::from_hours(24),
        )
        .unwrap();
        assert!(url.starts_with("https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"), "{url}");
        assert!(
            url.ends_with("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            "{url}"
        );
    }
}
