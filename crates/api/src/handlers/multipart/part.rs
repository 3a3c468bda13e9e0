//! The link that one part is put to.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use serde::{Deserialize, Serialize};
use video_core::aws::PresignedRequest;
use video_core::config::{MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES};

use super::checked_id;
use crate::error::Error;
use crate::extract::{Access, PathResult, Query, parameters};
use crate::state::AppState;

/// A part as the path names it.
#[derive(Deserialize)]
pub struct PartPath {
    upload_id: String,
    part_number: String,
}

/// Where to put a part.
#[derive(Serialize)]
pub struct PartResponse {
    url: String,
    /// Seconds.
    expires: u64,
}

/// `GET /s3/multipart/{uploadId}/{partNumber}?key`: signs the upload of one part, with an optional `size` in bytes for
/// just this length. Nothing is sent, so a wrong ID is found by S3.
pub async fn part(
    access: Access,
    Shared(state): Shared<AppState>,
    path: PathResult<PartPath>,
    RawQuery(query): RawQuery,
) -> Result<Json<PartResponse>, Error> {
    let query = Query::new(query.as_deref());
    let PartPath { upload_id, part_number } = parameters(path)?;
    let upload_id = checked_id(upload_id)?;
    let key = access.check_key(query.required("key")?)?;
    let last = state.upload.max_bytes.div_ceil(MIN_PART_BYTES).min(MAX_PARTS);
    if part_number.parse().ok().is_none_or(|number| !(1..=last).contains(&number)) {
        return Err(Error::BadRequest(format!("the part number must be a whole number from 1 to {last}")));
    }
    let size = query.number("size", 1..=state.upload.max_bytes.min(MAX_PART_BYTES))?;

    let request = PresignedRequest {
        method: "PUT",
        object_url: &state.media.object_url(key.as_str()),
        query: &[("partNumber", &part_number), ("uploadId", &upload_id)],
        content_length: size,
        expires_in: state.upload.expires,
    };
    let now = SystemTime::now();
    let url = state.signer.presign(&request, now);
    Ok(Json(PartResponse { url, expires: state.signer.lifetime(state.upload.expires, now).as_secs() }))
}
