//! Making the parts one object.
//!
//! A form bounds its file by a condition; parts have none, so their sum is checked here, before they become an object
//! that starts a job. S3 then takes just the parts that were summed, since it compares their ETags.

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use serde::{Deserialize, Serialize};
use video_core::config::MAX_PARTS;
use video_core::storage::{MultipartError, Part, etag_of_parts};

use super::{Upload, UploadPath};
use crate::error::Error;
use crate::extract::{Access, Body, PathResult, Query};
use crate::state::{App, AppState};

/// The parts of the object.
#[derive(Deserialize)]
pub struct CompleteRequest {
    parts: Vec<RequestedPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RequestedPart {
    part_number: i32,
    #[serde(rename = "ETag")]
    etag: String,
}

/// The object that the parts became.
#[derive(Serialize)]
pub struct CompleteResponse {
    location: String,
    key: String,
    bucket: String,
}

/// `POST /s3/multipart/{uploadId}/complete?key`: makes the parts one object. Whoever lost the answer may ask again.
pub async fn complete(
    access: Access,
    Shared(state): Shared<AppState>,
    path: PathResult<UploadPath>,
    RawQuery(query): RawQuery,
    Body(request): Body<CompleteRequest>,
) -> Result<Json<CompleteResponse>, Error> {
    let upload = Upload::new(&access, path, &Query::new(query.as_deref()))?;
    let parts = request.checked()?;
    if let Err(error) = state.complete(&upload, &parts).await {
        let was_completed = matches!(error, Error::NotFound(_)) && state.is_completed(&upload, &parts).await?;
        if !was_completed {
            return Err(error);
        }
    }
    tracing::info!(video.key = %upload.key, parts = parts.len(), "multipart upload completed");
    let location = state.media.object_url(upload.key.as_str());
    Ok(Json(CompleteResponse { location, key: upload.key.to_string(), bucket: state.media.name.clone() }))
}

impl CompleteRequest {
    /// Returns the parts in the order of their numbers.
    fn checked(self) -> Result<Vec<RequestedPart>, Error> {
        let invalid = |rule: &str| Err(Error::BadRequest(format!("parts must be {rule}")));
        let mut parts = self.parts;
        parts.sort_by_key(|part| part.part_number);
        if parts.is_empty() {
            return invalid("at least one");
        }
        if !parts.iter().all(|part| u64::try_from(part.part_number).is_ok_and(|n| (1..=MAX_PARTS).contains(&n))) {
            return invalid("numbered from 1 to 10000");
        }
        if parts.windows(2).any(|two| two[0].part_number == two[1].part_number) {
            return invalid("given once each");
        }
        Ok(parts)
    }
}

impl App {
    async fn complete(&self, upload: &Upload, parts: &[RequestedPart]) -> Result<(), Error> {
        let uploaded = self.storage.list_parts(upload.at(self)).await?;
        let size = size_of(parts, &uploaded).ok_or(MultipartError::NOT_UPLOADED)?;
        if !(1..=self.upload.max_bytes).contains(&size) {
            self.storage.abort_multipart_upload(upload.at(self)).await?;
            tracing::info!(video.key = %upload.key, size, "multipart upload of a wrong size aborted");
            let max = self.upload.max_bytes;
            return Err(Error::BadRequest(format!("the video must have 1 to {max} bytes; it has {size}")));
        }
        let parts = parts.iter().map(|part| (part.part_number, part.etag.clone()));
        Ok(self.storage.complete_multipart_upload(upload.at(self), parts).await?)
    }

    /// Returns whether these parts are the object already: an answer may have been lost, and S3 forgets the upload.
    async fn is_completed(&self, upload: &Upload, parts: &[RequestedPart]) -> Result<bool, Error> {
        let Some(expected) = etag_of_parts(parts.iter().map(|part| part.etag.as_str())) else { return Ok(false) };
        Ok(self.storage.etag(&self.media.name, upload.key.as_str()).await?.is_some_and(|etag| etag == expected))
    }
}

/// Returns the size of what the parts make; none when one of them was not uploaded so.
fn size_of(parts: &[RequestedPart], uploaded: &[Part]) -> Option<u64> {
    let size = |part: &RequestedPart| {
        let found = uploaded.binary_search_by_key(&part.part_number, |uploaded| uploaded.number).ok()?;
        let found = &uploaded[found];
        (found.etag.trim_matches('"') == part.etag.trim_matches('"')).then_some(found.size)
    };
    parts.iter().map(size).sum()
}
