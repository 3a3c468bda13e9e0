//! The configuration of the two functions.

use std::time::Duration;

use crate::env::{ConfigError, Lookup, flag, invalid, number, optional, required};
use crate::max_video::MaxVideo;
use crate::transcoder::TranscoderConfig;

/// S3 takes at most 5 GiB in one POST, and in one part.
/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
pub const MAX_POST_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// The largest part of a multipart upload.
pub const MAX_PART_BYTES: u64 = MAX_POST_BYTES;
/// The smallest part of a multipart upload, but for the last.
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// Parts of a multipart upload.
pub const MAX_PARTS: u64 = 10_000;
/// What all parts together may have.
const MAX_MULTIPART_BYTES: u64 = MAX_PARTS * MAX_PART_BYTES;
/// A shorter secret could be guessed.
pub const MIN_LINK_SECRET_LENGTH: usize = 32;
const DAY: u64 = 24 * 60 * 60;
/// More than S3 takes of one key on a day.
const MAX_UPLOADS: u64 = 1_000_000;
/// A hundred years.
const MAX_DAYS: u64 = 36_500;

/// The canned ACLs of S3: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>.
const CANNED_ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

/// The settings of `video-api`.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The DynamoDB table of records.
    pub table: String,
    /// The bucket that browsers post to.
    pub media_bucket: String,
    /// The bucket that holds the transcoded videos.
    pub output_bucket: String,
    /// What an upload may be, and who may begin one.
    pub upload: UploadConfig,
    /// The one origin whose pages may call the API; `None` allows every origin.
    pub allowed_origin: Option<String>,
    /// Where the admin's name and password come from.
    pub admin: AdminConfig,
    /// Where the secret of upload links comes from.
    pub links: LinkConfig,
}

/// What an upload may be, and who may begin one.
#[derive(Debug, Clone)]
pub struct UploadConfig {
    /// The canned ACL that the form carries, if one is configured.
    pub acl: Option<String>,
    /// How long a form, or the link of a part, can be used.
    pub expires: Duration,
    /// The largest upload, in bytes; a form takes at most [`MAX_POST_BYTES`] of it.
    pub max_bytes: u64,
    /// Whether only upload links can begin one.
    pub requires_link: bool,
}

/// Where the admin's name and password come from.
#[derive(Clone)]
pub enum AdminConfig {
    /// From the environment: the local system.
    Fixed {
        /// ADMIN_USERNAME.
        username: String,
        /// ADMIN_PASSWORD.
        password: String,
    },
    /// From this Secrets Manager secret, JSON with `username` and `password`.
    Secret {
        /// ADMIN_SECRET_ARN.
        arn: String,
    },
}

/// Where the secret of upload links comes from.
#[derive(Clone)]
pub enum LinkConfig {
    /// There are no links.
    None,
    /// UPLOAD_LINK_SECRET: the local system.
    Fixed {
        /// The secret.
        secret: String,
    },
    /// From this Secrets Manager secret, a text.
    Secret {
        /// UPLOAD_LINK_SECRET_ARN.
        arn: String,
    },
}

impl std::fmt::Debug for LinkConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("LinkConfig::None"),
            Self::Fixed { .. } => f.write_str("LinkConfig::Fixed"),
            Self::Secret { arn } => write!(f, "LinkConfig::Secret({arn})"),
        }
    }
}

impl std::fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed { .. } => f.write_str("AdminConfig::Fixed"),
            Self::Secret { arn } => write!(f, "AdminConfig::Secret({arn})"),
        }
    }
}

/// The settings of `video-events`.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// The DynamoDB table of records.
    pub table: String,
    /// The bucket whose uploads are transcoded.
    pub media_bucket: String,
    /// The bucket that holds the results.
    pub output_bucket: String,
    /// After how many days a ready or failed video is erased; `None` keeps it for ever.
    pub retention: Option<Duration>,
    /// After how many days an unused form is erased; `None` keeps it for ever.
    pub unused_form_retention: Option<Duration>,
    /// How many uploads of a record get a job on one day.
    pub max_uploads_per_day: u64,
    /// The longest video that is transcoded in full; `None` transcodes all of any.
    pub max_video: Option<MaxVideo>,
    /// Which transcoder does the work, with its settings.
    pub transcoder: TranscoderConfig,
    /// How long one invocation owns an upload: longer than the function's timeout, so that a second one never works
    /// beside it, and shorter than the minute after which Lambda retries.
    pub lease: Duration,
}

impl ApiConfig {
    /// Reads the API's variables.
    ///
    /// # Errors
    /// The first variable that is missing or breaks its rule.
    pub fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        let (upload, links) = (UploadConfig::from_env(lookup)?, LinkConfig::from_env(lookup)?);
        if upload.requires_link && matches!(links, LinkConfig::None) {
            return Err(ConfigError::Missing("UPLOAD_LINK_SECRET_ARN (since REQUIRE_UPLOAD_LINK is true)"));
        }
        Ok(Self {
            table: required(lookup, "RESPONSES_TABLE_NAME")?,
            media_bucket: required(lookup, "MEDIA_BUCKET_NAME")?,
            output_bucket: required(lookup, "OUTPUT_BUCKET_NAME")?,
            upload,
            allowed_origin: allowed_origin(lookup)?,
            admin: AdminConfig::from_env(lookup)?,
            links,
        })
    }
}

impl UploadConfig {
    fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        Ok(Self {
            acl: acl(lookup)?,
            expires: Duration::from_secs(number(lookup, "UPLOAD_EXPIRES_SECONDS", 3600, (1, 7 * DAY))?),
            max_bytes: number(lookup, "MAX_UPLOAD_BYTES", MAX_POST_BYTES, (1, MAX_MULTIPART_BYTES))?,
            requires_link: flag(lookup, "REQUIRE_UPLOAD_LINK")?,
        })
    }
}

impl AdminConfig {
    fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        if let Some(arn) = optional(lookup, "ADMIN_SECRET_ARN") {
            return Ok(Self::Secret { arn });
        }
        let missing = |_| ConfigError::Missing("ADMIN_SECRET_ARN (or ADMIN_USERNAME and ADMIN_PASSWORD)");
        Ok(Self::Fixed {
            username: required(lookup, "ADMIN_USERNAME").map_err(missing)?,
            password: required(lookup, "ADMIN_PASSWORD").map_err(missing)?,
        })
    }
}

impl LinkConfig {
    fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        if let Some(arn) = optional(lookup, "UPLOAD_LINK_SECRET_ARN") {
            return Ok(Self::Secret { arn });
        }
        match optional(lookup, "UPLOAD_LINK_SECRET") {
            None => Ok(Self::None),
            Some(secret) if secret.len() >= MIN_LINK_SECRET_LENGTH => Ok(Self::Fixed { secret }),
            Some(_) => Err(invalid("UPLOAD_LINK_SECRET", "at least 32 characters long")),
        }
    }
}

impl EventsConfig {
    /// Reads the variables of the events function.
    ///
    /// # Errors
    /// The first variable that is missing or breaks its rule.
    pub fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        Ok(Self {
            table: required(lookup, "RESPONSES_TABLE_NAME")?,
            media_bucket: required(lookup, "MEDIA_BUCKET_NAME")?,
            output_bucket: required(lookup, "OUTPUT_BUCKET_NAME")?,
            retention: days(lookup, "RETENTION_DAYS", 0)?,
            unused_form_retention: days(lookup, "UNUSED_FORM_DAYS", 30)?,
            max_uploads_per_day: number(lookup, "MAX_UPLOADS_PER_VIDEO", 20, (1, MAX_UPLOADS))?,
            max_video: MaxVideo::from_env(lookup)?,
            transcoder: TranscoderConfig::from_env(lookup)?,
            lease: Duration::from_secs(number(lookup, "UPLOAD_LEASE_SECONDS", 45, (1, 900))?),
        })
    }
}

/// Reads a number of days; 0 means for ever.
fn days(lookup: Lookup, name: &'static str, default: u64) -> Result<Option<Duration>, ConfigError> {
    let days = number(lookup, name, default, (0, MAX_DAYS))?;
    Ok((days > 0).then(|| Duration::from_secs(days * DAY)))
}

fn acl(lookup: Lookup) -> Result<Option<String>, ConfigError> {
    match optional(lookup, "UPLOAD_ACL") {
        Some(acl) if !CANNED_ACLS.contains(&acl.as_str()) => {
            Err(invalid("UPLOAD_ACL", format_args!("one of {}", CANNED_ACLS.join(", "))))
        }
        acl => Ok(acl),
    }
}

/// An origin as browsers send it (RFC 6454): scheme and host, an optional port, nothing behind.
fn allowed_origin(lookup: Lookup) -> Result<Option<String>, ConfigError> {
    let Some(origin) = optional(lookup, "ALLOWED_ORIGIN").filter(|origin| origin != "*") else {
        return Ok(None);
    };
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_origin = host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    });
    if is_origin {
        Ok(Some(origin))
    } else {
        Err(invalid("ALLOWED_ORIGIN", "* or one origin such as https://www.example.com, without a path"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &[(&str, &str)] = &[
        ("RESPONSES_TABLE_NAME", "responses"),
        ("MEDIA_BUCKET_NAME", "media"),
        ("OUTPUT_BUCKET_NAME", "output"),
        ("ADMIN_USERNAME", "admin"),
        ("ADMIN_PASSWORD", "secret"),
    ];
    const EVENTS: &[(&str, &str)] = &[
        ("RESPONSES_TABLE_NAME", "responses"),
        ("MEDIA_BUCKET_NAME", "media"),
        ("OUTPUT_BUCKET_NAME", "output"),
        ("MEDIACONVERT_ROLE_ARN", "arn:aws:iam::111122223333:role/mediaconvert"),
    ];

    /// A lookup over `base` with `changed` on top; an empty value stands for an empty variable.
    fn with<'a>(base: &'a [(&str, &str)], changed: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let find = |vars: &[(&str, &str)]| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            find(changed).or_else(|| find(base))
        }
    }

    fn api(changed: &[(&str, &str)]) -> Result<ApiConfig, String> {
        ApiConfig::from_env(&with(API, changed)).map_err(|e| e.to_string())
    }

    fn events(changed: &[(&str, &str)]) -> Result<EventsConfig, String> {
        EventsConfig::from_env(&with(EVENTS, changed)).map_err(|e| e.to_string())
    }

    #[test]
    fn an_acl_is_one_of_s3s_own() {
        assert_eq!(api(&[("UPLOAD_ACL", "public-read")]).unwrap().upload.acl.as_deref(), Some("public-read"));
        assert!(api(&[("UPLOAD_ACL", "everyone")]).unwrap_err().contains("UPLOAD_ACL"));
    }

    #[test]
    fn defaults_are_an_hour_five_gibibytes_no_acl_and_every_origin() {
        let api = api(&[]).unwrap();
        assert_eq!(api.upload.expires, Duration::from_hours(1));
        assert_eq!(api.upload.max_bytes, 5_368_709_120);
        assert_eq!(api.upload.acl, None);
        assert_eq!(api.allowed_origin, None);
    }

    #[test]
    fn a_missing_or_empty_variable_is_named() {
        for (name, _) in &API[..3] {
            let message = api(&[(name, "")]).unwrap_err();
            assert_eq!(message, format!("Failed to find required {name} environment variable"));
        }
        for (name, _) in EVENTS {
            let message = events(&[(name, "")]).unwrap_err();
            assert_eq!(message, format!("Failed to find required {name} environment variable"));
        }
    }

    #[test]
    fn the_admin_comes_from_the_secret_or_from_both_variables() {
        assert!(matches!(api(&[]).unwrap().admin, AdminConfig::Fixed { .. }));
        let from_secret = api(&[("ADMIN_SECRET_ARN", "arn:x")]).unwrap().admin;
        assert!(matches!(from_secret, AdminConfig::Secret { arn } if arn == "arn:x"));
        for name in ["ADMIN_USERNAME", "ADMIN_PASSWORD"] {
            assert!(
                api(&[(name, "")]).unwrap_err().contains("ADMIN_SECRET_ARN (or ADMIN_USERNAME and ADMIN_PASSWORD)")
            );
        }
    }

    #[test]
    fn a_bad_value_is_refused_with_its_rule() {
        for (name, value, rule) in [
            ("UPLOAD_EXPIRES_SECONDS", "0", "a whole number from 1 to 604800"),
            ("UPLOAD_EXPIRES_SECONDS", "604801", "a whole number from 1 to 604800"),
            ("MAX_UPLOAD_BYTES", "53687091200001", "a whole number from 1 to 53687091200000"),
            ("MAX_UPLOAD_BYTES", "5 GiB", "a whole number from 1 to 53687091200000"),
            ("REQUIRE_UPLOAD_LINK", "yes", "true or false"),
            ("UPLOAD_LINK_SECRET", "short", "at least 32 characters long"),
            ("UPLOAD_ACL", "public", "one of private, public-read"),
            ("ALLOWED_ORIGIN", "https://example.com/", "* or one origin"),
            ("ALLOWED_ORIGIN", "example.com", "* or one origin"),
            ("ALLOWED_ORIGIN", "https://", "* or one origin"),
        ] {
            let message = api(&[(name, value)]).unwrap_err();
            assert!(
                message.starts_with(&format!("Failed to read {name} environment variable: it must be {rule}")),
                "{message}"
            );
        }
    }

    #[test]
    fn links_are_required_only_where_they_can_be_made() {
        let secret = ("UPLOAD_LINK_SECRET", "0123456789abcdef0123456789abcdef");
        assert!(!api(&[]).unwrap().upload.requires_link);
        assert!(api(&[("REQUIRE_UPLOAD_LINK", "true"), secret]).unwrap().upload.requires_link);
        assert!(api(&[("REQUIRE_UPLOAD_LINK", "true")]).unwrap_err().contains("UPLOAD_LINK_SECRET_ARN"));
        let from_secret = api(&[("UPLOAD_LINK_SECRET_ARN", "arn:x"), secret]).unwrap().links;
        assert!(matches!(from_secret, LinkConfig::Secret { arn } if arn == "arn:x"));
        assert!(!format!("{:?}", api(&[secret]).unwrap()).contains(secret.1));
    }

    #[test]
    fn an_origin_with_a_port_is_accepted() {
        let api = api(&[("ALLOWED_ORIGIN", "http://127.0.0.1:9000")]).unwrap();
        assert_eq!(api.allowed_origin.as_deref(), Some("http://127.0.0.1:9000"));
    }

    #[test]
    fn mediaconvert_is_the_default_and_elastic_transcoder_needs_its_pipeline() {
        assert!(
            matches!(events(&[]).unwrap().transcoder, TranscoderConfig::MediaConvert(config) if config.queue_arn.is_none())
        );
        let elastic = [("TRANSCODER", "elastictranscoder"), ("PIPELINE_NAME", "1111111111111-abcde1")];
        assert!(matches!(events(&elastic).unwrap().transcoder, TranscoderConfig::ElasticTranscoder { .. }));
        assert!(events(&elastic[..1]).unwrap_err().contains("PIPELINE_NAME"));
        assert!(events(&[("TRANSCODER", "ffmpeg")]).unwrap_err().contains("elastictranscoder or mediaconvert"));
    }

    #[test]
    fn twenty_uploads_of_a_video_get_a_job_on_one_day_unless_another_number_is_set() {
        let limit = |changed: &[(&str, &str)]| {
            EventsConfig::from_env(&with(EVENTS, changed)).map(|config| config.max_uploads_per_day)
        };
        assert_eq!(limit(&[]), Ok(20));
        assert_eq!(limit(&[("MAX_UPLOADS_PER_VIDEO", "1")]), Ok(1));
        assert!(events(&[("MAX_UPLOADS_PER_VIDEO", "0")]).unwrap_err().contains("a whole number from 1 to 1000000"));
    }

    #[test]
    fn an_hour_of_a_video_is_transcoded_unless_another_limit_is_set() {
        let limit = |changed: &[(&str, &str)]| events(changed).map(|config| config.max_video.map(MaxVideo::clip));
        assert_eq!(limit(&[]), Ok(Some(Duration::from_secs(3601))));
        assert_eq!(limit(&[("MAX_VIDEO_MINUTES", "5")]), Ok(Some(Duration::from_secs(301))));
        assert_eq!(limit(&[("MAX_VIDEO_MINUTES", "0")]), Ok(None));
        for (name, value, rule) in
            [("MAX_VIDEO_MINUTES", "1440", "a whole number from 0 to 1439"), ("LONG_VIDEOS", "keep", "cut or fail")]
        {
            let message = limit(&[(name, value)]).unwrap_err();
            assert!(message.contains(name) && message.ends_with(rule), "{message}");
        }
    }

    #[test]
    fn debug_output_never_shows_the_password() {
        assert!(!format!("{:?}", api(&[("ADMIN_PASSWORD", "canary")]).unwrap()).contains("canary"));
    }
}
