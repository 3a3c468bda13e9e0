//! How many videos are in which state.

use serde::Serialize;

use super::list::Filter;
use super::{Status, Table};
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
        let (requested, uploaded, transcoding, ready, failed) = tokio::try_join!(
            self.count_state(filter, Status::Requested),
            self.count_state(filter, Status::Uploaded),
            self.count_state(filter, Status::Transcoding),
            self.count_state(filter, Status::Ready),
            self.count_state(filter, Status::Failed),
        )?;
        let all = [requested, uploaded, transcoding, ready, failed];
        let capped = all.iter().filter(|state| state.capped).map(|state| state.status).collect();
        let [requested, uploaded, transcoding, ready, failed] = all.map(|state| state.count);
        Ok(Counts { requested, uploaded, transcoding, ready, failed, capped })
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
