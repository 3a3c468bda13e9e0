//! Telling whoever listens that a video is ready or failed. The record says so first, and stays in the outbox until the
//! event was put: at least once, whatever dies in between.

use std::time::SystemTime;

use video_core::event_bus::{Detail, EventType};
use video_core::metrics::{self, Metric};
use video_core::records::{Record, RecordId, Status};

use crate::error::Error;
use crate::state::State;

/// Reads a record and announces its result, if it has one that was not announced yet.
pub async fn announce(state: &State, id: &RecordId) -> Result<(), Error> {
    match state.table.get(id).await? {
        Some(record) => announce_record(state, &record).await,
        None => Ok(()),
    }
}

/// Counts a result, and how long it took.
fn count(record: &Record, status: Status) {
    if status != Status::Ready {
        return metrics::count(Metric::Failed);
    }
    metrics::count(Metric::Ready);
    let time = record.in_progress_since().and_then(|since| SystemTime::now().duration_since(since).ok());
    if let Some(time) = time {
        metrics::time_to_ready(time);
    }
}

/// Announces a record's result, if it has one that was not announced yet.
pub async fn announce_record(state: &State, record: &Record) -> Result<(), Error> {
    let (Some(status), Some(key), Some(sequencer)) = (record.status, record.key(), record.sequencer()) else {
        return Ok(());
    };
    let event_type = match status {
        Status::Ready => EventType::Ready,
        Status::Failed => EventType::Failed,
        _ => return Ok(()),
    };
    if record.open.is_none() {
        return Ok(());
    }
    state.event_bus.put(event_type, &Detail::of_result(&key, record)).await?;
    count(record, status);
    let settled = state.table.announced(&record.id, &sequencer, status).await?;
    tracing::info!(video.key = %key, video.status = status.as_str(), settled, "result announced");
    Ok(())
}
