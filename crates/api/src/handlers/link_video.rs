//! What the bearer of an upload link sees of the video.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;
use video_core::records::Status;
use video_core::time::rfc3339;

use crate::error::Error;
use crate::links::{UploadLink, VIDEO_DELETED};
use crate::state::AppState;

/// One person's video: without the mail, since a link may be passed on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkVideo {
    project: String,
    step: String,
    /// When the link ends, RFC 3339.
    expires_at: String,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// How much is transcoded, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<u64>,
    /// A link to the result, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    playback: Option<String>,
    /// A link to the result's poster, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
}

/// `GET /u/{token}/video`: how far the video is, and the result once it is ready.
pub async fn link_video(link: UploadLink, Shared(state): Shared<AppState>) -> Result<Json<LinkVideo>, Error> {
    let record = state.table.get(&link.target.record_id()).await?;
    let record = record.filter(|record| record.status != Some(Status::Deleting));
    let record = record.ok_or(VIDEO_DELETED)?;
    let video = state.video(record, SystemTime::now());
    Ok(Json(LinkVideo {
        project: link.target.project.to_string(),
        step: link.target.step.to_string(),
        expires_at: rfc3339(link.expires_at),
        status: video.record.status.unwrap_or(Status::Requested),
        uploaded_at: video.record.uploaded_at,
        size: video.record.size,
        progress: video.record.progress,
        playback: video.playback,
        preview: video.preview,
    }))
}
