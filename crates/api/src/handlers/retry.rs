//! The admin's retry: a failed or stuck video goes through the pipeline again.
//!
//! The record says so, with a sequencer of its own, and stays in the outbox until it has its job; the event only makes
//! it quick. Nothing is copied, so the size of the upload does not matter.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use axum::http::StatusCode;
use video_core::event_bus::{Detail, EventType};
use video_core::ids::project_step;
use video_core::records::{NotRetryable, Record, RecordId};

use crate::error::Error;
use crate::extract::{Admin, PathResult, ProjectAndStep, Query, project_and_step};
use crate::state::AppState;

/// `POST /videos/{project}/{step}/retry?mail=`: 202 with the record as it is now.
pub async fn retry(
    _admin: Admin,
    Shared(state): Shared<AppState>,
    path: PathResult<ProjectAndStep>,
    RawQuery(query): RawQuery,
) -> Result<(StatusCode, Json<Record>), Error> {
    let (project, step) = project_and_step(path)?;
    let mail = Query::new(query.as_deref()).record_mail()?;
    let id = RecordId { project_step: project_step(&project, step), mail };
    let record = state.table.get(&id).await?.ok_or(Error::NotFound("there is no such video"))?;

    let now = SystemTime::now();
    let (seen, next) = record.next_retry(now)?;
    let key = record.key().ok_or(NotRetryable::NeverUploaded)?;
    if !state.storage.exists(&state.media.name, key.as_str()).await? {
        return Err(Error::Conflict("the upload is no longer in the bucket"));
    }
    if !state.table.retry(&id, (&seen, &next), now).await? {
        return Err(Error::Conflict("the video changed in the meantime"));
    }
    state.wake(EventType::RetryRequested, &Detail::of_key(&key)).await;
    tracing::info!(video.key = %key, video.sequencer = %next, "retry requested");
    let record = state.table.get(&id).await?.ok_or(Error::NotFound("there is no such video"))?;
    Ok((StatusCode::ACCEPTED, Json(record)))
}

impl From<NotRetryable> for Error {
    fn from(reason: NotRetryable) -> Self {
        Self::Conflict(match reason {
            NotRetryable::NeverUploaded => "nothing was uploaded for this video yet",
            NotRetryable::InProgress => "the video is still in progress",
            NotRetryable::Ready => "the video is ready",
            NotRetryable::Deleting => "the video is being deleted",
            NotRetryable::RetriesExhausted => "the video was retried too often; upload it again",
        })
    }
}
