//! The sweep: settles what is owed for too long, on a schedule, in case a message never came.

use std::time::{Duration, SystemTime};

use video_core::records::{Owed, SHARDS};
use video_core::time::epoch_seconds;

use crate::error::Error;
use crate::retention;
use crate::settle;
use crate::state::State;

/// What is owed for less is left to its own events and to Lambda's retries, which end after three minutes.
const MIN_AGE: Duration = Duration::from_mins(10);
/// Records that one request lists.
const BATCH_SIZE: usize = 100;
/// One record may take so long, so that it cannot take the whole sweep: a search for its job, and a slow call.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(6);
/// A sweep ends before the function's time does.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Settles what is owed. What cannot be settled now is left to the next sweep, so this never fails as a whole.
pub async fn sweep(state: &State) {
    let mut summary = Summary::default();
    // On the heap: one future of everything that may happen to a video is deep.
    let in_time = tokio::time::timeout(TIMEOUT, Box::pin(summary.everything(state))).await.is_ok();
    let Summary { found, failed, expired } = summary;
    if in_time {
        tracing::info!(sweep.found = found, sweep.failed = failed, sweep.expired = expired, "the sweep is done");
    } else {
        tracing::warn!(
            sweep.found = found,
            sweep.failed = failed,
            sweep.expired = expired,
            "the sweep ran out of time"
        );
    }
}

/// What a sweep found.
#[derive(Default)]
struct Summary {
    /// Records of the outbox.
    found: usize,
    /// Those that could not be settled, and shards that could not be listed.
    failed: usize,
    /// Records that were too old and are to be erased.
    expired: usize,
}

impl Summary {
    async fn everything(&mut self, state: &State) {
        let now = SystemTime::now();
        for shard in shards(now) {
            if let Err(error) = self.shard(state, shard, now).await {
                self.warn(&error, "the outbox could not be listed");
            }
        }
        // Last, since what is owed goes before what may wait.
        match Box::pin(retention::mark_expired(state, now)).await {
            Ok(expired) => self.expired = expired,
            Err(error) => self.warn(&error, "old videos could not be listed or marked"),
        }
    }

    /// Settles all of a shard, page by page: what stays owed must not hide what is owed behind it.
    async fn shard(&mut self, state: &State, shard: &str, now: SystemTime) -> Result<(), Error> {
        let mut last: Option<Owed> = None;
        loop {
            let page = state.table.owed_before(shard, now - MIN_AGE, BATCH_SIZE, last.as_ref()).await?;
            for owed in &page {
                self.found += 1;
                let settled = tokio::time::timeout(SETTLE_TIMEOUT, settle_owed(state, owed, now)).await;
                if let Err(error) = settled.unwrap_or(Err(Error::DeadlineReached)) {
                    self.warn(&error, "a record could not be settled");
                }
            }
            if page.len() < BATCH_SIZE {
                return Ok(());
            }
            last = page.into_iter().last();
        }
    }

    fn warn(&mut self, error: &Error, what: &str) {
        self.failed += 1;
        tracing::warn!(error.message = %error, "{what}");
    }
}

async fn settle_owed(state: &State, owed: &Owed, now: SystemTime) -> Result<(), Error> {
    if owed.id.is_tombstone() {
        state.table.remove_tombstone(&owed.id, now).await?;
        return Ok(());
    }
    Box::pin(settle::settle(state, &owed.id)).await
}

/// Returns every shard, starting with another one each time, so that none is starved by those before it.
fn shards(now: SystemTime) -> impl Iterator<Item = &'static str> {
    let minutes = usize::try_from(epoch_seconds(now) / 60).unwrap_or_default();
    SHARDS.into_iter().cycle().skip(minutes % SHARDS.len()).take(SHARDS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_visits_every_shard_once_and_begins_elsewhere_each_quarter_of_an_hour() {
        let at = |minutes: u64| shards(SystemTime::UNIX_EPOCH + Duration::from_mins(minutes)).collect::<Vec<_>>();
        let mut all = at(15);
        all.sort_unstable();
        assert_eq!(all, SHARDS);
        assert_ne!(at(15)[0], at(30)[0]);
    }
}
