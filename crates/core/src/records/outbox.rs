//! The outbox: every record that something is still owed to. An upload is owed its job, a job its result, a result its
//! event, a retry its job, an erasure its end, a tombstone its removal.
//!
//! A sparse index holds only these, by shard and by the time since which it is owed, so that the sweep finds them
//! without a scan. Whoever finishes removes `open`; nothing depends on a message arriving.

use std::time::SystemTime;

use super::item::{Item, from_items, s};
use super::query::KeyQuery;
use super::record::{RecordId, Status};
use super::table::{OUTBOX_INDEX, Table};
use super::transitions;
use crate::Error;
use crate::ids::Sequencer;
use crate::time::rfc3339_millis;

/// The partitions of the index. One would bound all uploads together to what a single partition of DynamoDB takes,
/// 1,000 writes a second.
pub const SHARDS: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

/// A record in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owed {
    /// The record, or the tombstone.
    #[serde(flatten)]
    pub id: RecordId,
    /// Since when, RFC 3339.
    pub open_since: String,
}

impl Owed {
    /// Returns the keys of the index and of the table.
    fn to_key(&self) -> Item {
        let mut key = self.id.to_key();
        key.insert("open".to_owned(), s(self.id.shard()));
        key.insert("openSince".to_owned(), s(&self.open_since));
        key
    }
}

impl Table {
    /// Returns records of one shard that something has been owed to since before `before`, the longest first, at most
    /// `limit`, behind the last one of an earlier page. The index may lag: read each record before acting on it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn owed_before(
        &self,
        shard: &str,
        before: SystemTime,
        limit: usize,
        behind: Option<&Owed>,
    ) -> Result<Vec<Owed>, Error> {
        let query = KeyQuery::new(OUTBOX_INDEX, &[("open", shard)]);
        let query = query.before("openSince", Some(&rfc3339_millis(before))).behind(behind.map(Owed::to_key));
        from_items(Some(self.query(query, limit).await?.items))
    }

    /// Records that the event of a result was put. False when the record changed since: then something else is owed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn announced(&self, id: &RecordId, sequencer: &Sequencer, status: Status) -> Result<bool, Error> {
        self.apply(id, transitions::announced(sequencer, status)).await
    }
}
