//! The backfill: completes records of the original in slices that end before the function's time does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use video_core::records::SEGMENTS;

use crate::error::Error;
use crate::state::State;

/// No further segment is begun after this time.
const SLICE: Duration = Duration::from_secs(15);

/// Completes segments from `first` on until the slice ends, and says how far it came: `next` is where to go on, or
/// null.
pub async fn backfill(state: &State, first: u16) -> Result<Value, Error> {
    let (start, mut completed, mut next) = (Instant::now(), 0, first);
    while next < SEGMENTS && start.elapsed() < SLICE {
        completed += state.table.backfill(next).await?;
        next += 1;
    }
    let next = (next < SEGMENTS).then_some(next);
    tracing::info!(backfill.first = first, backfill.next = next, backfill.completed = completed, "backfill slice done");
    Ok(json!({ "segment": first, "segments": SEGMENTS, "completed": completed, "next": next }))
}
