//! What S3 has of an upload, so that a client resumes it.

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use serde::Serialize;

use super::{Upload, UploadPath};
use crate::error::Error;
use crate::extract::{Access, PathResult, Query};
use crate::state::AppState;

/// A part that S3 has.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UploadedPart {
    part_number: i32,
    #[serde(rename = "ETag")]
    etag: String,
    size: u64,
}

/// `GET /s3/multipart/{uploadId}?key`: lists the parts.
pub async fn parts(
    access: Access,
    Shared(state): Shared<AppState>,
    path: PathResult<UploadPath>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<UploadedPart>>, Error> {
    let upload = Upload::new(&access, path, &Query::new(query.as_deref()))?;
    let parts = state.storage.list_parts(upload.at(&state)).await?.into_iter();
    Ok(Json(parts.map(|part| UploadedPart { part_number: part.number, etag: part.etag, size: part.size }).collect()))
}
