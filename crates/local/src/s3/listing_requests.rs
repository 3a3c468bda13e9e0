//! The operations that list: objects, versions, multipart uploads and parts.

use s3s::dto::{
    self, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput,
    MultipartUpload,
};
use s3s::{S3Result, s3_error};

use super::headers::content_length;
use super::listing::{Page, Query};
use super::listing_output::{KeyEncoder, continuation_token, decode_continuation_token, page_size};
use super::multipart::{Upload, UploadsQuery};
use super::store::Store;
use super::versions::NULL_VERSION;

/// Sorts after every upload ID.
const AFTER_ALL_IDS: &str = "~";

/// Lists objects; see <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
pub(super) fn list_objects(store: &Store, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let max_keys = page_size(input.max_keys)?;
    let after = match &input.continuation_token {
        Some(token) => decode_continuation_token(token)?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let page = store.list(Query {
        bucket: &input.bucket,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
        after: &after,
        limit: max_keys.unsigned_abs() as usize,
    })?;
    let keys = KeyEncoder::new(input.encoding_type.as_ref());
    Ok(ListObjectsV2Output {
        key_count: i32::try_from(page.objects.len() + page.common_prefixes.len()).ok(),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_deref().map(continuation_token),
        contents: Some(keys.contents(page.objects)),
        common_prefixes: Some(keys.common_prefixes(page.common_prefixes)),
        max_keys: Some(max_keys),
        name: Some(input.bucket),
        prefix: Some(keys.encode(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|text| keys.encode(text)),
        start_after: input.start_after.as_deref().map(|text| keys.encode(text)),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    })
}

/// Lists versions, of which every object has one; see
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>.
pub(super) fn list_versions(store: &Store, input: ListObjectVersionsInput) -> S3Result<ListObjectVersionsOutput> {
    let max_keys = page_size(input.max_keys)?;
    if input.version_id_marker.is_some() && input.key_marker.is_none() {
        return Err(s3_error!(InvalidArgument, "A version-id marker cannot be specified without a key marker."));
    }
    let Page { objects, common_prefixes, next } = store.list(Query {
        bucket: &input.bucket,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
        after: input.key_marker.as_deref().unwrap_or_default(),
        limit: max_keys.unsigned_abs() as usize,
    })?;
    let keys = KeyEncoder::new(input.encoding_type.as_ref());
    let ends_with_an_object = objects.last().map(|(key, _)| key) == next.as_ref();
    Ok(ListObjectVersionsOutput {
        is_truncated: Some(next.is_some()),
        next_version_id_marker: next.as_ref().filter(|_| ends_with_an_object).map(|_| NULL_VERSION.to_owned()),
        next_key_marker: next.as_deref().map(|key| keys.encode(key)),
        versions: Some(keys.versions(objects)),
        common_prefixes: Some(keys.common_prefixes(common_prefixes)),
        max_keys: Some(max_keys),
        name: Some(input.bucket),
        prefix: Some(keys.encode(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|text| keys.encode(text)),
        key_marker: Some(keys.encode(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: input.version_id_marker,
        encoding_type: input.encoding_type,
        ..ListObjectVersionsOutput::default()
    })
}

/// Lists unfinished multipart uploads; see
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>.
pub(super) fn list_uploads(store: &Store, input: ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
    let max_uploads = page_size(input.max_uploads)?;
    if input.delimiter.as_deref().is_some_and(|text| !text.is_empty()) {
        return Err(s3_error!(NotImplemented, "listing uploads with a delimiter is not supported here"));
    }
    let limit = max_uploads.unsigned_abs() as usize;
    let after = match (input.key_marker.as_deref(), input.upload_id_marker.as_deref()) {
        (Some(key), Some(id)) => (key, id),
        (Some(key), None) if !key.is_empty() => (key, AFTER_ALL_IDS),
        _ => ("", ""),
    };
    let mut uploads = store.uploads(UploadsQuery {
        bucket: &input.bucket,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        after,
        limit: limit + 1,
    })?;
    let is_truncated = uploads.len() > limit;
    uploads.truncate(limit);
    let last = uploads.last().filter(|_| is_truncated).cloned();
    let keys = KeyEncoder::new(input.encoding_type.as_ref());
    let uploads = uploads.into_iter().map(|upload| MultipartUpload {
        key: Some(keys.encode(&upload.key)),
        initiated: upload.initiated().map(Into::into),
        upload_id: Some(upload.id),
        ..MultipartUpload::default()
    });
    Ok(ListMultipartUploadsOutput {
        uploads: Some(uploads.collect()),
        is_truncated: Some(is_truncated),
        next_key_marker: last.as_ref().map(|upload| keys.encode(&upload.key)),
        next_upload_id_marker: last.map(|upload| upload.id),
        max_uploads: Some(max_uploads),
        bucket: Some(input.bucket),
        prefix: Some(keys.encode(input.prefix.as_deref().unwrap_or_default())),
        key_marker: Some(keys.encode(input.key_marker.as_deref().unwrap_or_default())),
        upload_id_marker: input.upload_id_marker,
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}

/// Lists the parts of an upload; see <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>.
pub(super) fn list_parts(store: &Store, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let limit = page_size(input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or_default();
    let parts = store.parts(Upload { bucket: &input.bucket, key: &input.key, id: &input.upload_id })?;
    let mut later = parts.into_iter().filter(|part| part.number > marker);
    let page: Vec<_> = later.by_ref().take(limit.unsigned_abs() as usize).collect();
    let is_truncated = later.next().is_some();
    let last = page.last().map(|part| part.number);
    let parts = page.into_iter().map(|part| dto::Part {
        part_number: Some(part.number),
        size: Some(content_length(part.size)),
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(part.last_modified.into()),
        ..dto::Part::default()
    });
    Ok(ListPartsOutput {
        parts: Some(parts.collect()),
        is_truncated: Some(is_truncated),
        next_part_number_marker: last.filter(|_| is_truncated),
        part_number_marker: Some(marker),
        max_parts: Some(limit),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        ..ListPartsOutput::default()
    })
}
