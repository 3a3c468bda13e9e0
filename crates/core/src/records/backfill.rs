//! Completing records that carry no index attributes: those of the original, with three attributes, and those of
//! versions without a list.

use std::time::SystemTime;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::item::from_items;
use super::record::Record;
use super::table::{SERVICE, Table};
use super::transitions;
use crate::Error;
use crate::ids::ObjectKey;
use crate::time::parse_rfc3339;

/// How many parts the table is scanned in. The number of the part says where to go on, which a key, with its mail, must
/// not.
pub const SEGMENTS: u16 = 256;

/// Records that are completed at the same time: a segment of a large table must end before the function's time does.
const CONCURRENCY: usize = 16;

impl Table {
    /// Completes the records of one segment; returns how many. Repeatable, and safe beside live traffic.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Malformed`] for an item that is no record.
    pub async fn backfill(&self, segment: u16) -> Result<usize, Error> {
        let mut completed = 0;
        let mut pages = self
            .client
            .scan()
            .table_name(&self.name)
            .total_segments(i32::from(SEGMENTS))
            .segment(i32::from(segment))
            .filter_expression("attribute_not_exists(listedAt)")
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::unavailable(SERVICE, "Scan", &error))?;
            let records = from_items::<Record>(page.items)?;
            let completing = stream::iter(records).map(|record| async move { self.complete(&record).await });
            completed += completing
                .buffer_unordered(CONCURRENCY)
                .try_fold(0, async |count, completed| Ok(count + usize::from(completed)))
                .await?;
        }
        Ok(completed)
    }

    async fn complete(&self, record: &Record) -> Result<bool, Error> {
        // A tombstone is no record, and what names no object is none of ours.
        let key = record.video.as_deref().and_then(|key| ObjectKey::from_decoded(key).ok());
        let Some(key) = key.filter(|_| !record.id.is_tombstone()) else {
            return Ok(false);
        };
        let update = transitions::backfilled(&record.id, record, &key, listed_since(record));
        self.apply(&record.id, update).await
    }
}

/// Returns the time by which a record is listed: of its upload, else of its form, else 1970.
fn listed_since(record: &Record) -> SystemTime {
    let time = record.uploaded_at.as_deref().or(record.requested_at.as_deref()).and_then(parse_rfc3339);
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}
