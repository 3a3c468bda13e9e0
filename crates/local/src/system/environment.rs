//! The environment of the local system: names, credentials, and the functions' variables, as `template.yaml` sets them.

use video_core::TranscoderKind;

use super::listeners::{Listeners, url};

pub(super) const REGION: &str = "us-east-1";
pub(super) const ACCOUNT: &str = "000000000000";
pub(super) const ACCESS_KEY_ID: &str = "local";
pub(super) const SECRET_ACCESS_KEY: &str = "local-secret";
pub(super) const TABLE: &str = "responses";
pub(super) const MEDIA_BUCKET: &str = "videos-media";
pub(super) const OUTPUT_BUCKET: &str = "videos-output";
pub(super) const PIPELINE: &str = "videos";

/// A little longer than the function's timeout, as in `template.yaml`, but shorter than there: after a crash a
/// developer waits seconds.
const LEASE_SECONDS: &str = "10";
/// As well known as the admin's password: nobody but this machine reaches the system.
const UPLOAD_LINK_SECRET: &str = "the-upload-links-of-a-local-system";

/// Whoever tries the system uploads more often than a person does.
const MAX_UPLOADS_PER_VIDEO: &str = "1000";

/// The functions' environment variables.
pub(super) struct Environment(Vec<(String, String)>);

impl Environment {
    /// Returns the local defaults, overridden by `overrides`.
    pub(super) fn new(
        listeners: &Listeners,
        transcoder: TranscoderKind,
        pipeline: &str,
        overrides: &[(String, String)],
    ) -> Self {
        let transcoder_url = url(&listeners.transcoder);
        let role = format!("arn:aws:iam::{ACCOUNT}:role/mediaconvert");
        let defaults = [
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_ENDPOINT_URL_S3", &url(&listeners.s3)),
            ("AWS_ENDPOINT_URL_DYNAMODB", &url(&listeners.dynamodb)),
            ("AWS_ENDPOINT_URL_ELASTIC_TRANSCODER", &transcoder_url),
            ("AWS_ENDPOINT_URL_MEDIACONVERT", &transcoder_url),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", &transcoder_url),
            ("RESPONSES_TABLE_NAME", TABLE),
            ("MEDIA_BUCKET_NAME", MEDIA_BUCKET),
            ("OUTPUT_BUCKET_NAME", OUTPUT_BUCKET),
            ("TRANSCODER", transcoder.as_str()),
            ("PIPELINE_NAME", pipeline),
            ("MEDIACONVERT_ROLE_ARN", &role),
            ("UPLOAD_LEASE_SECONDS", LEASE_SECONDS),
            ("MAX_UPLOADS_PER_VIDEO", MAX_UPLOADS_PER_VIDEO),
            ("ADMIN_USERNAME", "admin"),
            ("ADMIN_PASSWORD", "local"),
            ("UPLOAD_LINK_SECRET", UPLOAD_LINK_SECRET),
        ];
        let defaults = defaults.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(defaults.into_iter().chain(overrides.iter().cloned()).collect())
    }

    /// Returns a variable; the last one with that name wins.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    }
}
