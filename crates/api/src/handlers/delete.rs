//! The admin's deletion, of one video or of all of a person. The record is marked and stays in the outbox until
//! `video-events` has erased everything; the event only makes it quick.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use axum::http::StatusCode;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use video_core::event_bus::{Detail, EventType};
use video_core::ids::project_step;
use video_core::records::RecordId;

use crate::error::Error;
use crate::extract::{Admin, PathResult, ProjectAndStep, Query, project_and_step};
use crate::state::{App, AppState};

/// Records that one request marks.
const MAX_RECORDS: usize = 500;
/// Records that are marked at the same time: API Gateway waits 30 s for all.
const CONCURRENCY: usize = 10;

/// How many videos are being deleted.
#[derive(Serialize)]
pub struct Deletion {
    deleting: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
}

/// `DELETE /videos/{project}/{step}?mail=`: 202.
pub async fn delete_video(
    _admin: Admin,
    Shared(state): Shared<AppState>,
    path: PathResult<ProjectAndStep>,
    RawQuery(query): RawQuery,
) -> Result<(StatusCode, Json<Deletion>), Error> {
    let (project, step) = project_and_step(path)?;
    let mail = Query::new(query.as_deref()).record_mail()?;
    let id = RecordId { project_step: project_step(&project, step), mail };
    if state.delete(&id).await? {
        Ok((StatusCode::ACCEPTED, Json(Deletion { deleting: 1, more: None })))
    } else {
        Err(Error::NotFound("there is no such video"))
    }
}

/// `DELETE /videos?mail=`: 202 with the number of videos; `more` when another request is needed for the rest.
pub async fn delete_videos(
    _admin: Admin,
    Shared(state): Shared<AppState>,
    RawQuery(query): RawQuery,
) -> Result<(StatusCode, Json<Deletion>), Error> {
    let query = Query::new(query.as_deref());
    query.allow_only(&["mail"])?;
    let (ids, more) = state.table.ids_of_mail(&query.record_mail()?, MAX_RECORDS).await?;
    let app: &App = &state;
    let marked = stream::iter(ids).map(|id| async move { app.delete(&id).await }).buffer_unordered(CONCURRENCY);
    let deleting = marked.try_fold(0, async |count, marked| Ok(count + usize::from(marked))).await?;
    if deleting == 0 && !more {
        return Err(Error::NotFound("there is no video of this mail"));
    }
    Ok((StatusCode::ACCEPTED, Json(Deletion { deleting, more: Some(more) })))
}

impl App {
    /// Marks one record; false when there is none.
    async fn delete(&self, id: &RecordId) -> Result<bool, Error> {
        let Some(record) = self.table.get(id).await? else { return Ok(false) };
        let marked = self.table.mark_deleting(id, SystemTime::now()).await?;
        if let Some(key) = record.key().filter(|_| marked) {
            self.wake(EventType::EraseRequested, &Detail::of_key(&key)).await;
            tracing::info!(video.key = %key, "deletion requested");
        }
        Ok(marked)
    }
}
