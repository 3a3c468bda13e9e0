//! Multipart uploads: a large file in parts that are sent, and sent again, one by one.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>.

use std::time::Duration;

use aws_sdk_s3::config::Config;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectCannedAcl};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::timeout::TimeoutConfig;
use md5::{Digest, Md5};

use super::{SERVICE, Storage};
use crate::Error;

/// S3 may take minutes to put many parts together. Whoever has waited so long asks again; API Gateway waits 30 s.
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(25);

/// An unfinished upload, as its requests name it.
#[derive(Debug, Clone, Copy)]
pub struct MultipartUpload<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key of the object that it becomes.
    pub key: &'a str,
    /// The ID that S3 gave it.
    pub id: &'a str,
}

/// A part that S3 holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: i32,
    /// The part's ETag, in quotes.
    pub etag: String,
    /// In bytes.
    pub size: u64,
}

/// Why S3 did not do what was asked for an upload.
#[derive(Debug, thiserror::Error)]
pub enum MultipartError {
    /// There is no such upload of this key: it never existed, was completed or was aborted.
    #[error("there is no such multipart upload")]
    NoSuchUpload,
    /// The parts do not make an object; the text is the rule that they break.
    #[error("parts must be {0}")]
    InvalidParts(&'static str),
    /// The call failed.
    #[error(transparent)]
    Unavailable(#[from] Error),
}

impl Storage {
    /// Begins an upload and returns its ID.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn create_multipart_upload(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        acl: Option<&str>,
    ) -> Result<String, Error> {
        const OPERATION: &str = "CreateMultipartUpload";
        let create = self.0.create_multipart_upload().bucket(bucket).key(key).content_type(content_type);
        let answer = create.set_acl(acl.map(ObjectCannedAcl::from)).send().await;
        let answer = answer.map_err(|error| Error::unavailable(SERVICE, OPERATION, &error))?;
        let no_id = || Error::Unavailable { service: SERVICE, operation: OPERATION, reason: "no UploadId".to_owned() };
        answer.upload_id.ok_or_else(no_id)
    }

    /// Returns the parts that S3 holds, by their numbers.
    ///
    /// # Errors
    /// [`MultipartError::NoSuchUpload`], or [`MultipartError::Unavailable`].
    pub async fn list_parts(&self, upload: MultipartUpload<'_>) -> Result<Vec<Part>, MultipartError> {
        let (mut parts, mut marker) = (Vec::new(), None);
        loop {
            let list = self.0.list_parts().bucket(upload.bucket).key(upload.key).upload_id(upload.id);
            let page = list.set_part_number_marker(marker).send().await;
            let page = page.map_err(|error| MultipartError::of("ListParts", &error))?;
            parts.extend(page.parts().iter().filter_map(|part| {
                let size = u64::try_from(part.size?).ok()?;
                Some(Part { number: part.part_number?, etag: part.e_tag.clone()?, size })
            }));
            marker = page.next_part_number_marker;
            if !page.is_truncated.unwrap_or_default() || marker.is_none() {
                return Ok(parts);
            }
        }
    }

    /// Makes these parts, given by number and ETag in ascending order, the object.
    ///
    /// # Errors
    /// Any [`MultipartError`].
    pub async fn complete_multipart_upload(
        &self,
        upload: MultipartUpload<'_>,
        parts: impl IntoIterator<Item = (i32, String)>,
    ) -> Result<(), MultipartError> {
        let parts =
            parts.into_iter().map(|(number, etag)| CompletedPart::builder().part_number(number).e_tag(etag).build());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let complete = self.0.complete_multipart_upload().bucket(upload.bucket).key(upload.key).upload_id(upload.id);
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(COMPLETE_TIMEOUT);
        let timeouts = timeouts.operation_timeout(COMPLETE_TIMEOUT).build();
        let patient = Config::builder().timeout_config(timeouts);
        match complete.multipart_upload(parts).customize().config_override(patient).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(MultipartError::of("CompleteMultipartUpload", &error)),
        }
    }

    /// Ends an upload and discards its parts.
    ///
    /// # Errors
    /// [`MultipartError::NoSuchUpload`], or [`MultipartError::Unavailable`].
    pub async fn abort_multipart_upload(&self, upload: MultipartUpload<'_>) -> Result<(), MultipartError> {
        let abort = self.0.abort_multipart_upload().bucket(upload.bucket).key(upload.key).upload_id(upload.id);
        match abort.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(MultipartError::of("AbortMultipartUpload", &error)),
        }
    }

    /// Aborts the unfinished uploads whose key starts with `prefix`; returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn abort_multipart_uploads(&self, bucket: &str, prefix: &str) -> Result<usize, Error> {
        let (mut aborted, mut key_marker, mut upload_id_marker) = (0, None, None);
        loop {
            let list = self.0.list_multipart_uploads().bucket(bucket).prefix(prefix);
            let list = list.set_key_marker(key_marker).set_upload_id_marker(upload_id_marker).send().await;
            let page = list.map_err(|error| Error::unavailable(SERVICE, "ListMultipartUploads", &error))?;
            for (key, id) in page.uploads().iter().filter_map(|upload| upload.key().zip(upload.upload_id())) {
                match self.abort_multipart_upload(MultipartUpload { bucket, key, id }).await {
                    Err(MultipartError::Unavailable(error)) => return Err(error),
                    _ => aborted += 1,
                }
            }
            if !page.is_truncated.unwrap_or_default() {
                return Ok(aborted);
            }
            (key_marker, upload_id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }
}

impl MultipartError {
    /// A part is named that S3 does not have, or has otherwise.
    pub const NOT_UPLOADED: Self = Self::InvalidParts("those that were uploaded, each with its ETag");

    fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            // S3 calls an ID that it cannot read an invalid argument.
            Some("NoSuchUpload" | "InvalidArgument") => Self::NoSuchUpload,
            Some("InvalidPart") => Self::NOT_UPLOADED,
            Some("EntityTooSmall") => Self::InvalidParts("of at least 5 MiB each, but for the last"),
            _ => Self::Unavailable(Error::unavailable(SERVICE, operation, error)),
        }
    }
}

/// Returns the ETag, in quotes, of an object that was made of parts with these ETags; nothing where they are no MD5
/// digests, as with a KMS key.
#[must_use]
pub fn etag_of_parts<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let count = parts.len();
    let mut digest = Md5::new();
    for part in parts {
        digest.update(hex::decode(part.trim_matches('"')).ok().filter(|md5| md5.len() == 16)?);
    }
    Some(format!("\"{}-{count}\"", hex::encode(digest.finalize())))
}
