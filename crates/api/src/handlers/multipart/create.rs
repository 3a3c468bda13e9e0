//! Beginning an upload in parts.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};

use super::{Metadata, media_type};
use crate::error::Error;
use crate::extract::{Access, Body};
use crate::state::AppState;

/// What is to be uploaded.
#[derive(Deserialize)]
pub struct CreateRequest {
    filename: Option<String>,
    #[serde(rename = "type")]
    media_type: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

/// The upload that began.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateResponse {
    key: String,
    upload_id: String,
    bucket: String,
}

/// `POST /s3/multipart`: begins an upload in parts. The record is written first, as by a form.
pub async fn create(
    access: Access,
    Shared(state): Shared<AppState>,
    Body(request): Body<CreateRequest>,
) -> Result<Json<CreateResponse>, Error> {
    let target = access.target(&request.metadata)?;
    let media_type = media_type(request.media_type.as_deref(), request.filename.as_deref())?;
    let key = state.record_upload(&access, &target, media_type, SystemTime::now()).await?;
    let (bucket, acl) = (&state.media.name, state.upload.acl.as_deref());
    let created = state.storage.create_multipart_upload(bucket, key.as_str(), media_type.content_type(), acl).await;
    let upload_id = created?;
    tracing::info!(video.key = %key, "multipart upload created");
    Ok(Json(CreateResponse { key: key.to_string(), upload_id, bucket: bucket.clone() }))
}
