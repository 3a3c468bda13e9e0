//! Giving an upload up.

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use serde_json::{Value, json};

use super::{Upload, UploadPath};
use crate::error::Error;
use crate::extract::{Access, PathResult, Query};
use crate::state::AppState;

/// `DELETE /s3/multipart/{uploadId}?key`: aborts the upload and discards its parts.
pub async fn abort(
    access: Access,
    Shared(state): Shared<AppState>,
    path: PathResult<UploadPath>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Error> {
    let upload = Upload::new(&access, path, &Query::new(query.as_deref()))?;
    state.storage.abort_multipart_upload(upload.at(&state)).await?;
    tracing::info!(video.key = %upload.key, "multipart upload aborted");
    Ok(Json(json!({})))
}
