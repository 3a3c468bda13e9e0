//! Pages of listings as S3 writes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{self, CommonPrefix, ETag, EncodingType};
use s3s::{S3Result, s3_error};

use super::headers::content_length;
use super::object::Object;
use super::percent_encoding::encode_path;
use super::versions::NULL_VERSION;

/// The maximum number of entries in a page.
const MAX_KEYS: i32 = 1000;

/// Returns the size of a page for the requested one.
///
/// # Errors
/// `InvalidArgument` when it is negative.
pub(super) fn page_size(requested: Option<i32>) -> S3Result<i32> {
    match requested {
        None => Ok(MAX_KEYS),
        Some(number) if number >= 0 => Ok(number.min(MAX_KEYS)),
        Some(_) => Err(s3_error!(InvalidArgument, "the number of entries must not be negative")),
    }
}

/// Returns the token that continues a listing after this entry.
pub(super) fn continuation_token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// Returns the entry that a listing continues after.
///
/// # Errors
/// `InvalidArgument` for a token that no page had.
pub(super) fn decode_continuation_token(token: &str) -> S3Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token provided is incorrect"))
}

/// Writes keys as the client asked: as they are, or encoded so that XML can contain any of them.
pub(super) struct KeyEncoder {
    url: bool,
}

impl KeyEncoder {
    pub(super) fn new(encoding: Option<&EncodingType>) -> Self {
        Self { url: encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) }
    }

    pub(super) fn encode(&self, key: &str) -> String {
        if self.url { encode_path(key) } else { key.to_owned() }
    }

    pub(super) fn contents(&self, objects: Vec<(String, Object)>) -> Vec<dto::Object> {
        let entries = objects.into_iter().map(|(key, object)| dto::Object {
            key: Some(self.encode(&key)),
            size: Some(content_length(object.size)),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.last_modified.into()),
            storage_class: Some(dto::ObjectStorageClass::from_static(dto::ObjectStorageClass::STANDARD)),
            ..dto::Object::default()
        });
        entries.collect()
    }

    pub(super) fn versions(&self, objects: Vec<(String, Object)>) -> Vec<dto::ObjectVersion> {
        let entries = objects.into_iter().map(|(key, object)| dto::ObjectVersion {
            key: Some(self.encode(&key)),
            version_id: Some(NULL_VERSION.to_owned()),
            is_latest: Some(true),
            size: Some(content_length(object.size)),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.last_modified.into()),
            storage_class: Some(dto::ObjectVersionStorageClass::from_static(dto::ObjectVersionStorageClass::STANDARD)),
            ..dto::ObjectVersion::default()
        });
        entries.collect()
    }

    pub(super) fn common_prefixes(&self, prefixes: Vec<String>) -> Vec<CommonPrefix> {
        let entries = prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(self.encode(&prefix)) });
        entries.collect()
    }
}
