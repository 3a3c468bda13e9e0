//! How many videos are in which state.

use futures_util::future::try_join_all;
use serde::Serialize;

use super::list::Filter;
use super::record::Status;
use super::table::Table;
use crate::Error;

/// The most that a state is counted to, in one request that costs the same however many there are.
const MAX_COUNT: u64 = 1000;

/// How many videos of a filter are in each state, each at most 1,000.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    requested: u64,
    uploaded: u64,
    transcoding: u64,
    ready: u64,
    failed: u64,
    /// The states of which there are more.
    capped: Vec<Status>,
}

impl Table {
    /// Counts the videos of each state, for all or for one project or step.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn counts(&self, filter: &Filter) -> Result<Counts, Error> {
        let counted = try_join_all(Status::LISTED.map(|status| self.count_state(filter, status))).await?;
        let count_of = |status| counted.iter().find(|state| state.status == status).map_or(0, |state| state.count);
        Ok(Counts {
            requested: count_of(Status::Requested),
            uploaded: count_of(Status::Uploaded),
            transcoding: count_of(Status::Transcoding),
            ready: count_of(Status::Ready),
            failed: count_of(Status::Failed),
            capped: counted.iter().filter(|state| state.capped).map(|state| state.status).collect(),
        })
    }

    async fn count_state(&self, filter: &Filter, status: Status) -> Result<StateCount, Error> {
        // One more than the cap, since DynamoDB may say that there are more behind the very last one.
        let (count, more) = self.count(filter.state_query(status), 1001).await?;
        Ok(StateCount { status, count: count.min(MAX_COUNT), capped: more || count > MAX_COUNT })
    }
}

struct StateCount {
    status: Status,
    count: u64,
    capped: bool,
}
