//! A signed upload form, as a browser posts it.

use std::time::Duration;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::{ACCESS_KEY, SECRET_KEY};
use crate::store::{MEDIA, REGION};

/// What a form is signed for.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    /// `content-length-range`.
    pub sizes: (u64, u64),
    pub signed_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub access_key: &'a str,
    pub secret_key: &'a str,
}

impl<'a> Form<'a> {
    /// Returns a form that is valid for ten minutes.
    pub fn new(key: &'a str) -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            bucket: MEDIA,
            key,
            sizes: (1, 10_000_000),
            signed_at: now,
            expires_at: now + Duration::from_mins(10),
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
        }
    }

    /// Returns the body that posts `content`.
    pub fn with_file(&self, content: &[u8]) -> Vec<u8> {
        [self.before_file().as_bytes(), content, END].concat()
    }

    /// Returns the body up to the file's bytes.
    pub fn before_file(&self) -> String {
        self.fields() + FILE_HEAD
    }

    /// Returns the fields, each as a part of the body.
    pub fn fields(&self) -> String {
        let stamp = self.signed_at.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap();
        let credential = format!("{}/{}/{REGION}/s3/aws4_request", self.access_key, &stamp[..8]);
        let mut fields = vec![
            ("key", self.key),
            ("Content-Type", "video/webm"),
            ("success_action_status", "201"),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", &stamp),
        ];
        let mut conditions: Vec<Value> = fields.iter().map(|(name, value)| json!({*name: value})).collect();
        conditions.push(json!({"bucket": self.bucket}));
        conditions.push(json!(["content-length-range", self.sizes.0, self.sizes.1]));
        let expiration = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let expiration = self.expires_at.format(expiration).unwrap();
        let policy = STANDARD.encode(json!({"expiration": expiration, "conditions": conditions}).to_string());
        let signing_key = generate_signing_key(self.secret_key, self.signed_at.into(), REGION, "s3");
        let signature = calculate_signature(signing_key, policy.as_bytes());
        fields.push(("policy", &policy));
        fields.push(("x-amz-signature", &signature));
        fields.iter().map(|(name, value)| field(name, value)).collect()
    }

    /// Returns the head of a request whose body has this length.
    pub fn head(&self, host: impl std::fmt::Display, length: u64) -> String {
        format!(
            "POST /{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nOrigin: http://localhost\r\n\
             Content-Type: multipart/form-data; boundary=form\r\nContent-Length: {length}\r\n\r\n",
            self.bucket
        )
    }
}

/// The head of the part that is the file.
pub const FILE_HEAD: &str =
    "--form\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.webm\"\r\nContent-Type: video/webm\r\n\r\n";

/// What follows the file.
pub const END: &[u8] = b"\r\n--form--\r\n";

/// Returns a field as a part of the body.
pub fn field(name: &str, value: &str) -> String {
    format!("--form\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}
