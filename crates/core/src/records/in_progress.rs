//! Records in progress: uploaded and not yet ready or failed. A sparse index holds only these, so that stuck videos are
//! found without a scan.

use std::time::SystemTime;

use super::{OPEN_INDEX, RecordId, SERVICE, Table, from_items, s};
use crate::Error;
use crate::ids::{ObjectKey, fingerprint};
use crate::time::rfc3339;

/// The partitions of the index. One would bound all uploads together to what a single partition of DynamoDB takes,
/// 1,000 writes a second.
pub const SHARDS: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

/// Returns the partition of a key's record: the first hex digit of its fingerprint.
pub(super) fn shard(key: &ObjectKey) -> String {
    fingerprint(&[key.as_str()]).chars().take(1).collect()
}

impl Table {
    /// Returns records in progress of one shard that were uploaded before `before`, the oldest first, at most `limit`.
    /// The index may lag: read each record before acting on it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn in_progress_before(
        &self,
        shard: &str,
        before: SystemTime,
        limit: i32,
    ) -> Result<Vec<RecordId>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(OPEN_INDEX)
            .key_condition_expression("#open = :shard AND uploadedAt < :before")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":shard", s(shard))
            .expression_attribute_values(":before", s(rfc3339(before)))
            .limit(limit);
        let page = query.send().await.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
        from_items(page.items)
    }
}
