//! Finding the record of an uploaded key, and adopting an unsolicited upload.

use std::time::SystemTime;

use super::item::{Item, from_items, s};
use super::query::KeyQuery;
use super::record::{MAX_SORT_KEY_LENGTH, RecordId};
use super::table::{SERVICE, Table, VIDEO_INDEX};
use super::transitions;
use crate::Error;
use crate::ids::{ObjectKey, PLACEHOLDER_PREFIX, fingerprint};

/// One key has the records of a person and of an unsolicited upload before; more cannot be.
const MAX_RECORDS_OF_A_KEY: usize = 10;
/// A page is 1 MB, or some 2,000 records: what a forged or unsolicited upload may cost in a project of millions.
const MAX_PARTITION_PAGES: usize = 20;

impl Table {
    /// Returns the record of an uploaded key; an unsolicited upload gets its record now. `None` when the key's record
    /// was erased lately: then nothing may bring it back.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn find_or_adopt(&self, key: &ObjectKey, now: SystemTime) -> Result<Option<RecordId>, Error> {
        if let Some(id) = self.find_solicited(key).await? {
            return Ok(Some(id));
        }
        if self.has_tombstone(key).await? {
            return Ok(None);
        }
        let id = self.adopt_somewhere(key, now).await?;
        // An erasure may have ended since the look for its tombstone: then what was adopted is to go too.
        if self.has_tombstone(key).await? {
            self.mark_deleting(&id, now).await?;
        }
        Ok(Some(id))
    }

    async fn adopt_somewhere(&self, key: &ObjectKey, now: SystemTime) -> Result<RecordId, Error> {
        let mut last_resort = hashed_id(key);
        if let Some(id) = placeholder_id(key) {
            if self.adopt(&id, key, now).await? {
                return Ok(id);
            }
            last_resort.project_step = id.project_step;
        }
        self.adopt(&last_resort, key, now).await?;
        Ok(last_resort)
    }

    /// Returns the record of an uploaded key, if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn find(&self, key: &ObjectKey) -> Result<Option<RecordId>, Error> {
        if let Some(id) = self.find_solicited(key).await? {
            return Ok(Some(id));
        }
        for id in placeholder_id(key).into_iter().chain([hashed_id(key)]) {
            if self.get(&id).await?.is_some_and(|record| record.video.as_deref() == Some(key.as_str())) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Returns a record that a form was issued for: only keys that we sign can have one.
    async fn find_solicited(&self, key: &ObjectKey) -> Result<Option<RecordId>, Error> {
        let Some(prefix) = key.upload_prefix() else {
            return Ok(None);
        };
        // The index may know the placeholder of an earlier unsolicited upload, and not yet the record of a form issued
        // since.
        match self.find_by_index(key).await? {
            Some(id) if !RecordId::is_placeholder(&id.mail) => Ok(Some(id)),
            indexed => Ok(self.find_in_partition(key, prefix).await?.or(indexed)),
        }
    }

    /// Asks for the key and, since a record names the newest form's, for those of the other media types.
    async fn find_by_index(&self, key: &ObjectKey) -> Result<Option<RecordId>, Error> {
        let mut second_best = None;
        for video in key.of_every_media_type() {
            let query = KeyQuery::new(VIDEO_INDEX, &[("video", &video)]);
            match preferred(Some(self.query(query, MAX_RECORDS_OF_A_KEY).await?.items))? {
                Some(id) if !RecordId::is_placeholder(&id.mail) => return Ok(Some(id)),
                found => second_best = second_best.or(found),
            }
        }
        Ok(second_best)
    }

    /// Reads the partition, since the index lags behind the table; of one that is too long, so much that the index has
    /// had seconds to catch up.
    async fn find_in_partition(&self, key: &ObjectKey, prefix: &str) -> Result<Option<RecordId>, Error> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("ProjectStep = :partition")
            .filter_expression("begins_with(video, :prefix)")
            .projection_expression("ProjectStep, Mail")
            .expression_attribute_values(":partition", s(key.project_step()))
            .expression_attribute_values(":prefix", s(prefix))
            .into_paginator()
            .send();
        let mut second_best = None;
        for _ in 0..MAX_PARTITION_PAGES {
            let Some(page) = pages.next().await else { return Ok(second_best) };
            let page = page.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
            match preferred(page.items)? {
                Some(id) if !RecordId::is_placeholder(&id.mail) => return Ok(Some(id)),
                found => second_best = second_best.or(found),
            }
        }
        tracing::warn!(video.key = %key, "the partition is too long to be read to its end");
        Ok(self.find_by_index(key).await?.or(second_best))
    }

    /// Makes the record of an unsolicited upload; false when the place belongs to another key.
    async fn adopt(&self, id: &RecordId, key: &ObjectKey, now: SystemTime) -> Result<bool, Error> {
        self.apply(id, transitions::adopted(id, key, now)).await
    }
}

/// Prefers a record that a form was issued for over the placeholder of an earlier upload.
fn preferred(items: Option<Vec<Item>>) -> Result<Option<RecordId>, Error> {
    let ids: Vec<RecordId> = from_items(items)?;
    Ok(ids.into_iter().min_by_key(|id| RecordId::is_placeholder(&id.mail)))
}

/// Returns the ID of an unsolicited upload's record; `None` when its name is too long for a sort key.
fn placeholder_id(key: &ObjectKey) -> Option<RecordId> {
    let mail = format!("{PLACEHOLDER_PREFIX}{}", key.file_name());
    (mail.len() <= MAX_SORT_KEY_LENGTH).then(|| RecordId { project_step: key.project_step(), mail })
}

/// Returns the ID to use when [`placeholder_id`] is too long or taken: `a-b/c/x.mp4` and `a/b-c/x.mp4` have the same
/// one.
fn hashed_id(key: &ObjectKey) -> RecordId {
    RecordId { project_step: key.project_step(), mail: format!("{PLACEHOLDER_PREFIX}{}", fingerprint(&[key.as_str()])) }
}
