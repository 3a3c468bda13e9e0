//! Erasing a record: it is marked, everything of it leaves the buckets, then it is deleted. A tombstone stays for a
//! while, so that nothing late brings it back.

use std::time::SystemTime;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Item, from_items, s};
use super::list::Entry;
use super::query::KeyQuery;
use super::record::{Record, RecordId, Status};
use super::table::{MAIL_INDEX, SERVICE, STATUS_INDEX, Table, condition_failed};
use super::transitions;
use crate::Error;
use crate::ids::{ObjectKey, TOMBSTONE_PREFIX, fingerprint};
use crate::time::{epoch_millis, rfc3339_millis};

/// The first millisecond of 1970, behind that of the records without a time.
const FIRST_TIME: &str = "0000000000001";

impl Table {
    /// Marks a record, so that everything of it is erased; false when there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn mark_deleting(&self, id: &RecordId, now: SystemTime) -> Result<bool, Error> {
        self.apply(id, transitions::deleting(id, now)).await
    }

    /// Marks a record that is too old, unless it changed since it was read as `seen` in the state `status`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn mark_expired(&self, seen: &Record, status: Status, now: SystemTime) -> Result<bool, Error> {
        self.apply(&seen.id, transitions::expired(seen, status, now)).await
    }

    /// Returns records of one mail, at most `limit`, and whether there may be more. The index may lag.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ids_of_mail(&self, mail: &str, limit: usize) -> Result<(Vec<RecordId>, bool), Error> {
        let page = self.query(KeyQuery::new(MAIL_INDEX, &[("Mail", mail)]), limit).await?;
        Ok((from_items(Some(page.items))?, page.more))
    }

    /// Returns records in one state that were listed before `before`, the oldest first, at most `limit`, behind the
    /// last one of an earlier page. Records without any time, which are listed at 1970, are left out. The index may
    /// lag: read each record before acting on it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn listed_before(
        &self,
        status: Status,
        before: SystemTime,
        limit: usize,
        behind: Option<&Entry>,
    ) -> Result<Vec<Entry>, Error> {
        // `!` sorts before everything that follows in another entry of the same millisecond.
        let low = behind.map_or_else(|| FIRST_TIME.to_owned(), |entry| format!("{}!", entry.listed_at));
        let high = format!("{:013}", epoch_millis(before));
        let query = KeyQuery::new(STATUS_INDEX, &[("status", status.as_str())]);
        from_items(Some(self.query(query.between("listedAt", &low, &high), limit).await?.items))
    }

    /// Deletes a record whose objects are gone; false when it is no longer marked.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delete(&self, id: &RecordId) -> Result<bool, Error> {
        self.delete_if(id, "#name = :value", ("status", s(Status::Deleting.as_str()))).await
    }

    /// Writes the tombstone of a key, or lets one that exists stay until `until`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put_tombstone(&self, key: &ObjectKey, until: SystemTime) -> Result<(), Error> {
        let id = tombstone_id(key);
        let mut item: Item = id.to_key();
        item.insert("open".to_owned(), s(id.shard()));
        item.insert("openSince".to_owned(), s(rfc3339_millis(until)));
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await;
        put.map(|_| ()).map_err(|error| Error::unavailable(SERVICE, "PutItem", &error))
    }

    /// Returns whether a key's record was erased lately.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn has_tombstone(&self, key: &ObjectKey) -> Result<bool, Error> {
        Ok(self.get(&tombstone_id(key)).await?.is_some())
    }

    /// Removes a tombstone that has ended; false when it was renewed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn remove_tombstone(&self, id: &RecordId, now: SystemTime) -> Result<bool, Error> {
        self.delete_if(id, "#name <= :value", ("openSince", s(rfc3339_millis(now)))).await
    }

    async fn delete_if(
        &self,
        id: &RecordId,
        condition: &str,
        (name, value): (&str, AttributeValue),
    ) -> Result<bool, Error> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(id.to_key()))
            .condition_expression(condition)
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(Error::unavailable(SERVICE, "DeleteItem", &error)),
        }
    }
}

impl RecordId {
    /// Returns whether this is a tombstone and no record.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.mail.starts_with(TOMBSTONE_PREFIX)
    }
}

/// Returns where a key's tombstone stands. No mail has this form.
fn tombstone_id(key: &ObjectKey) -> RecordId {
    RecordId { project_step: key.project_step(), mail: format!("{TOMBSTONE_PREFIX}{}", fingerprint(&[key.stem()])) }
}
