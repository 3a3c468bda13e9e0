//! Versions, and deleting them. The buckets are not versioned: each object has the one version that S3 calls `null`.

use axum::http::HeaderMap;
use s3s::dto::{self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject};
use s3s::{S3Result, s3_error};

use super::error::Result;
use super::store::Store;

/// The ID of every object's version.
pub(super) const NULL_VERSION: &str = "null";

/// The maximum number of objects in a `DeleteObjects`.
const MAX_OBJECTS: usize = 1000;

/// Returns an error if a request names a version that no object has.
///
/// # Errors
/// `NoSuchVersion`.
pub(super) fn check_version(version_id: Option<&str>) -> S3Result<()> {
    match version_id {
        Some(other) if other != NULL_VERSION => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
        _ => Ok(()),
    }
}

/// Deletes an object if it exists.
pub(super) fn delete_object(store: &Store, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    check_version(input.version_id.as_deref())?;
    store.transaction(|tx| tx.delete(&input.bucket, &input.key))?;
    Ok(DeleteObjectOutput { version_id: input.version_id, ..DeleteObjectOutput::default() })
}

/// Deletes objects in one transaction; see <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
pub(super) fn delete_objects(
    store: &Store,
    input: DeleteObjectsInput,
    headers: &HeaderMap,
) -> S3Result<DeleteObjectsOutput> {
    check_declares_digest(headers)?;
    let DeleteObjectsInput { bucket, delete, .. } = input;
    if delete.objects.is_empty() || delete.objects.len() > MAX_OBJECTS {
        return Err(s3_error!(MalformedXML, "a DeleteObjects names from 1 to {MAX_OBJECTS} objects"));
    }
    let (known, unknown): (Vec<_>, Vec<_>) =
        delete.objects.into_iter().partition(|object| check_version(object.version_id.as_deref()).is_ok());
    store.transaction(|tx| known.iter().try_for_each(|object| -> Result<()> { tx.delete(&bucket, &object.key) }))?;
    let deleted = known.into_iter().map(|object| DeletedObject {
        key: Some(object.key),
        version_id: object.version_id,
        ..DeletedObject::default()
    });
    let errors = unknown.into_iter().map(|object| dto::Error {
        key: Some(object.key),
        version_id: object.version_id,
        code: Some("NoSuchVersion".to_owned()),
        message: Some("The specified version does not exist.".to_owned()),
    });
    let is_quiet = delete.quiet.unwrap_or_default();
    Ok(DeleteObjectsOutput {
        deleted: (!is_quiet).then(|| deleted.collect()),
        errors: Some(errors.collect()),
        ..DeleteObjectsOutput::default()
    })
}

/// Returns an error unless the request declares a digest of its body, as S3 requires of this operation. The body itself
/// is covered by the signature.
fn check_declares_digest(headers: &HeaderMap) -> S3Result<()> {
    let declares = headers.keys().map(axum::http::HeaderName::as_str).any(|name| {
        let algorithm = name.strip_prefix("x-amz-checksum-");
        name == "content-md5" || algorithm.is_some_and(|algorithm| algorithm != "mode")
    });
    if declares {
        return Ok(());
    }
    Err(s3_error!(InvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"))
}
