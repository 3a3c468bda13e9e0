//! Retention: old videos and unused forms are marked, and then erased like those that an admin deletes.

use std::time::{Duration, SystemTime};

use video_core::records::{Record, RecordId, Status};
use video_core::time::parse_rfc3339;

use crate::error::Error;
use crate::state::State;

/// Records that one request lists.
const BATCH_SIZE: usize = 100;
/// Records of one state that one sweep marks; the next sweep goes on. Those that must stay do not count: they would
/// hide what is behind them for ever.
const MAX_MARKED: usize = 500;

/// Marks what is too old; returns how many.
pub async fn mark_expired(state: &State, now: SystemTime) -> Result<usize, Error> {
    let mut marked = 0;
    if let Some(retention) = state.config.retention {
        for status in [Status::Ready, Status::Failed] {
            marked += mark_older_than(state, status, retention, now).await?;
        }
    }
    if let Some(retention) = state.config.unused_form_retention {
        marked += mark_older_than(state, Status::Requested, retention, now).await?;
    }
    Ok(marked)
}

async fn mark_older_than(state: &State, status: Status, age: Duration, now: SystemTime) -> Result<usize, Error> {
    let Some(before) = now.checked_sub(age) else { return Ok(0) };
    let (mut marked, mut last) = (0, None);
    while marked < MAX_MARKED {
        let batch = state.table.listed_before(status, before, BATCH_SIZE, last.as_ref()).await?;
        for entry in &batch {
            marked += usize::from(mark_if_expired(state, &entry.id, status, before, now).await?);
        }
        if batch.len() < BATCH_SIZE {
            break;
        }
        last = batch.into_iter().last();
    }
    Ok(marked)
}

async fn mark_if_expired(
    state: &State,
    id: &RecordId,
    status: Status,
    before: SystemTime,
    now: SystemTime,
) -> Result<bool, Error> {
    let Some(record) = state.table.get(id).await?.filter(|record| record.status == Some(status)) else {
        return Ok(false);
    };
    let requested_at = record.requested_at.as_deref().and_then(parse_rfc3339);
    // Whoever asked for a form lately may still upload with it, and that upload must not meet a tombstone.
    if requested_at.is_some_and(|requested_at| requested_at >= before) {
        return Ok(false);
    }
    // A record without a time is one of the original, which may have an upload that nobody recorded.
    if status == Status::Requested && !(requested_at.is_some() && was_never_used(state, &record).await?) {
        return Ok(false);
    }
    Ok(state.table.mark_expired(&record, status, now).await?)
}

/// Returns whether nothing was ever uploaded with a form. An object in the bucket is an upload whose event was lost.
async fn was_never_used(state: &State, record: &Record) -> Result<bool, Error> {
    let Some(key) = record.key() else { return Ok(false) };
    let has_object = state.storage.any_exists(&state.config.media_bucket, key.stem()).await?;
    if has_object {
        tracing::warn!(video.key = %key, "an upload was never recorded: its event was lost");
    }
    Ok(!has_object)
}
