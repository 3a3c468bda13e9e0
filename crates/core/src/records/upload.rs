//! The life of one upload in its record: found, claimed by one invocation, handed to the transcoder.
//!
//! S3 sends an event at least once and in any order, and an invocation may die anywhere. `sequencer` decides which upload is the newest,
//! a lease decides which invocation works on it.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::open::shard;
use super::{Item, Record, RecordId, SERVICE, Status, Table, VIDEO_INDEX, condition_failed, held, n, read, s};
use super::{LONGEST_MAIL, UNKNOWN};
use crate::Error;
use crate::key::{ObjectKey, Sequencer, fingerprint};
use crate::time::{epoch_seconds, rfc3339};

/// What an S3 event says of an upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The object's key.
    pub key: ObjectKey,
    /// Which upload of that key.
    pub sequencer: Sequencer,
    /// The object's size in bytes.
    pub size: u64,
    /// When S3 took it.
    pub uploaded_at: SystemTime,
}

/// What an invocation may do with an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours and nobody worked on it before: create the job.
    Ours {
        /// Whether it is the record's first upload ever.
        first: bool,
    },
    /// It is ours now, but an invocation that died may have created the job: look first.
    TakenOver,
    /// There is nothing to do: a newer upload is known, or this one has its job or its end.
    Settled,
    /// Another invocation is at work: come back after its lease.
    Busy,
    /// The record is gone: it was deleted after it was found.
    Gone,
}

impl Table {
    /// The record of an uploaded key; one that nobody asked for gets a record now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn find_or_adopt(&self, key: &ObjectKey, now: SystemTime) -> Result<RecordId, Error> {
        if let Some(id) = self.find_requested(key).await? {
            return Ok(id);
        }
        let mut last_resort = hashed_id(key);
        if let Some(id) = unknown_id(key) {
            if self.adopt(&id, key, now).await? {
                return Ok(id);
            }
            last_resort.project_step = id.project_step;
        }
        self.adopt(&last_resort, key, now).await?;
        Ok(last_resort)
    }

    /// The record of an uploaded key, if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn find(&self, key: &ObjectKey) -> Result<Option<RecordId>, Error> {
        if let Some(id) = self.find_requested(key).await? {
            return Ok(Some(id));
        }
        for id in unknown_id(key).into_iter().chain([hashed_id(key)]) {
            if self.get(&id).await?.is_some_and(|record| record.video.as_deref() == Some(key.as_str())) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// One record, read consistently.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Malformed`] when the item is no record.
    pub async fn get(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("ProjectStep", s(&id.project_step))
            .key("Mail", s(&id.mail))
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| Error::unavailable(SERVICE, "GetItem", &error))?;
        answer.item.map(read).transpose()
    }

    /// A record that a form was asked for: only keys that we sign can have one.
    async fn find_requested(&self, key: &ObjectKey) -> Result<Option<RecordId>, Error> {
        let Some(stem) = key.signed_stem() else {
            return Ok(None);
        };
        // The index may know the record of an upload that came before anybody asked, and not yet the one that somebody asked for since.
        match self.find_by_index(key).await? {
            Some(id) if !RecordId::is_stand_in(&id.mail) => Ok(Some(id)),
            indexed => Ok(self.find_in_partition(key, stem).await?.or(indexed)),
        }
    }

    async fn find_by_index(&self, key: &ObjectKey) -> Result<Option<RecordId>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(VIDEO_INDEX)
            .key_condition_expression("video = :key")
            .expression_attribute_values(":key", s(key.as_str()));
        let page = query.send().await.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
        asked_for(page.items.unwrap_or_default())
    }

    /// The index lags behind the table, and it no longer has the key when the person asked for a form of another media type since.
    async fn find_in_partition(&self, key: &ObjectKey, stem: &str) -> Result<Option<RecordId>, Error> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("ProjectStep = :partition")
            .filter_expression("begins_with(video, :stem)")
            .projection_expression("ProjectStep, Mail")
            .expression_attribute_values(":partition", s(key.project_step()))
            .expression_attribute_values(":stem", s(stem))
            .into_paginator()
            .send();
        let mut second_best = None;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
            match asked_for(page.items.unwrap_or_default())? {
                Some(id) if !RecordId::is_stand_in(&id.mail) => return Ok(Some(id)),
                found => second_best = second_best.or(found),
            }
        }
        Ok(second_best)
    }

    /// Makes the record of an upload that nobody asked for; false when the place belongs to another key.
    async fn adopt(&self, id: &RecordId, key: &ObjectKey, now: SystemTime) -> Result<bool, Error> {
        let update = self
            .update(id)
            .update_expression("SET video = :key, updatedAt = :now, #status = if_not_exists(#status, :requested)")
            .condition_expression("attribute_not_exists(video) OR video = :key")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":key", s(key.as_str()))
            .expression_attribute_values(":now", s(rfc3339(now)))
            .expression_attribute_values(":requested", s(Status::Requested.as_str()));
        held(update.send().await)
    }

    /// Claims an upload for this invocation until `now + lease`.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. What the claim means is in [`Claim`].
    pub async fn claim(
        &self,
        id: &RecordId,
        upload: &Upload,
        now: SystemTime,
        lease: Duration,
    ) -> Result<Claim, Error> {
        let update = self
            .update(id)
            .update_expression(
                "SET #status = :uploaded, video = :key, uploadedKey = :key, sequencer = :sequencer, leaseUntil = :lease, #open = :shard, \
                 uploadedAt = :uploadedAt, updatedAt = :now, #size = :size REMOVE jobId, transcoder, #output, #error",
            )
            .condition_expression(
                "attribute_exists(ProjectStep) AND (attribute_not_exists(sequencer) OR sequencer < :sequencer)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#size", "size")
            .expression_attribute_names("#open", "open")
            .expression_attribute_names("#output", "output")
            .expression_attribute_names("#error", "error")
            .expression_attribute_values(":uploaded", s(Status::Uploaded.as_str()))
            .expression_attribute_values(":key", s(upload.key.as_str()))
            .expression_attribute_values(":shard", s(shard(&upload.key)))
            .expression_attribute_values(":sequencer", s(upload.sequencer.as_str()))
            .expression_attribute_values(":lease", n(epoch_seconds(now + lease)))
            .expression_attribute_values(":uploadedAt", s(rfc3339(upload.uploaded_at)))
            .expression_attribute_values(":now", s(rfc3339(now)))
            .expression_attribute_values(":size", n(upload.size))
            .return_values(ReturnValue::UpdatedOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(answer) => {
                let first = !answer.attributes.is_some_and(|old| old.contains_key("sequencer"));
                Ok(Claim::Ours { first })
            }
            Err(error) if condition_failed(&error) => match stored_item(error.into_service_error()) {
                Some(item) => self.claim_again(id, &read(item)?, &upload.sequencer, now, lease).await,
                None => Ok(Claim::Gone),
            },
            Err(error) => Err(Error::unavailable(SERVICE, "UpdateItem", &error)),
        }
    }

    /// The same upload, or an older one, seen again.
    async fn claim_again(
        &self,
        id: &RecordId,
        stored: &Record,
        sequencer: &Sequencer,
        now: SystemTime,
        lease: Duration,
    ) -> Result<Claim, Error> {
        let newer_is_known = stored.sequencer.as_deref() != Some(sequencer.as_str());
        if newer_is_known || stored.job_id.is_some() || stored.status.is_some_and(Status::is_final) {
            return Ok(Claim::Settled);
        }
        if stored.lease_until.is_some_and(|until| until >= epoch_seconds(now)) {
            return Ok(Claim::Busy);
        }
        let taken = self.take_over(id, sequencer, now, lease).await?;
        Ok(if taken { Claim::TakenOver } else { Claim::Busy })
    }

    /// Takes the upload from an invocation whose lease is over; false when someone else was faster.
    pub(super) async fn take_over(
        &self,
        id: &RecordId,
        sequencer: &Sequencer,
        now: SystemTime,
        lease: Duration,
    ) -> Result<bool, Error> {
        let update = self
            .update(id)
            .update_expression("SET leaseUntil = :lease, updatedAt = :at")
            .condition_expression("sequencer = :sequencer AND attribute_not_exists(jobId) AND leaseUntil < :now")
            .expression_attribute_values(":sequencer", s(sequencer.as_str()))
            .expression_attribute_values(":lease", n(epoch_seconds(now + lease)))
            .expression_attribute_values(":now", n(epoch_seconds(now)))
            .expression_attribute_values(":at", s(rfc3339(now)));
        held(update.send().await)
    }

    /// Gives the upload back before the lease is over, so that Lambda's next try can take it at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn give_back(&self, id: &RecordId, sequencer: &Sequencer) -> Result<bool, Error> {
        let update = self
            .update(id)
            .update_expression("SET leaseUntil = :over")
            .condition_expression("sequencer = :sequencer AND attribute_not_exists(jobId)")
            .expression_attribute_values(":sequencer", s(sequencer.as_str()))
            .expression_attribute_values(":over", n(0));
        held(update.send().await)
    }

    /// Records the job of an upload. False when the job's own event was faster or a newer upload came: both know better.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn submitted(
        &self,
        id: &RecordId,
        sequencer: &Sequencer,
        transcoder: &str,
        job_id: &str,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let update = self
            .update(id)
            .update_expression("SET #status = :transcoding, jobId = :job, transcoder = :transcoder, updatedAt = :now REMOVE leaseUntil")
            .condition_expression("sequencer = :sequencer AND attribute_not_exists(jobId)")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":transcoding", s(Status::Transcoding.as_str()))
            .expression_attribute_values(":sequencer", s(sequencer.as_str()))
            .expression_attribute_values(":job", s(job_id))
            .expression_attribute_values(":transcoder", s(transcoder))
            .expression_attribute_values(":now", s(rfc3339(now)));
        held(update.send().await)
    }

    /// Records that the transcoder will never take this upload. False when a job or a newer upload is known.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn refused(
        &self,
        id: &RecordId,
        sequencer: &Sequencer,
        transcoder: &str,
        reason: &str,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let update = self
            .update(id)
            .update_expression(
                "SET #status = :failed, #error = :reason, transcoder = :transcoder, updatedAt = :now REMOVE leaseUntil, #open",
            )
            .condition_expression("sequencer = :sequencer AND attribute_not_exists(jobId)")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#error", "error")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":failed", s(Status::Failed.as_str()))
            .expression_attribute_values(":sequencer", s(sequencer.as_str()))
            .expression_attribute_values(":reason", s(reason))
            .expression_attribute_values(":transcoder", s(transcoder))
            .expression_attribute_values(":now", s(rfc3339(now)));
        held(update.send().await)
    }

    pub(super) fn update(&self, id: &RecordId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key("ProjectStep", s(&id.project_step))
            .key("Mail", s(&id.mail))
    }
}

/// Prefers the record that a person asked for over one made for an upload that came before.
fn asked_for(items: Vec<Item>) -> Result<Option<RecordId>, Error> {
    let ids = items.into_iter().map(read).collect::<Result<Vec<RecordId>, Error>>()?;
    Ok(ids.into_iter().min_by_key(|id| RecordId::is_stand_in(&id.mail)))
}

/// Where the record of an upload that nobody asked for stands; `None` when its name is too long for a sort key.
fn unknown_id(key: &ObjectKey) -> Option<RecordId> {
    let mail = format!("{UNKNOWN}{}", key.file_name());
    (mail.len() <= LONGEST_MAIL).then(|| RecordId { project_step: key.project_step(), mail })
}

/// Where it stands when [`unknown_id`] is too long or taken: `a-b/c/x.mp4` and `a/b-c/x.mp4` have the same one.
fn hashed_id(key: &ObjectKey) -> RecordId {
    RecordId { project_step: key.project_step(), mail: format!("{UNKNOWN}{}", fingerprint(&[key.as_str()])) }
}

fn stored_item(error: aws_sdk_dynamodb::operation::update_item::UpdateItemError) -> Option<Item> {
    match error {
        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(failed) => {
            failed.item
        }
        _ => None,
    }
}
