//! The life of one upload in its record: claimed by one invocation, submitted to the transcoder.
//!
//! S3 sends an event at least once and in any order, and an invocation may die anywhere. `sequencer` decides which
//! upload is the newest, a lease decides which invocation works on it.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::item::from_item;
use super::record::{Record, RecordId, Status};
use super::table::{SERVICE, Table, condition_failed, stored_item};
use super::transitions::{self, Count};
use crate::ids::Sequencer;
use crate::time::epoch_seconds;
use crate::upload::Upload;
use crate::{Error, TranscoderKind};

/// What an invocation may do with an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This invocation has it and none had it before: create the job.
    Acquired {
        /// Whether it is the record's first upload ever.
        first: bool,
    },
    /// This invocation has it now, but one that died may have created the job: search for it first.
    TakenOver {
        /// Since when the upload, or its last retry, is worked on: an earlier job is none of its own.
        since: Option<SystemTime>,
    },
    /// This invocation has it, and it is one too many of its record on one day: it must not get a job.
    LimitReached,
    /// There is nothing to do: a newer upload is known, or this one has its job or its end.
    AlreadyHandled,
    /// Another invocation is at work: retry after its lease.
    LeaseHeld,
    /// Everything of the record is being erased.
    Deleting,
    /// The record was deleted after it was found.
    RecordDeleted,
}

/// Under which terms an upload is claimed.
#[derive(Debug, Clone, Copy)]
pub struct ClaimTerms {
    /// How long the claim lasts.
    pub lease: Duration,
    /// How many uploads of a record get a job on one day.
    pub max_uploads_per_day: u64,
}

/// Claims that are tried again because the day of the last one was not known, or changed meanwhile.
const MAX_ATTEMPTS: usize = 3;

impl Table {
    /// Claims an upload for this invocation until `now` and the lease.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. What the claim means is in [`Claim`].
    pub async fn claim(
        &self,
        id: &RecordId,
        upload: &Upload,
        now: SystemTime,
        terms: ClaimTerms,
    ) -> Result<Claim, Error> {
        let mut count = Count::Further;
        for _ in 0..MAX_ATTEMPTS {
            let stored = match self.try_claim(id, upload, now, terms, &count).await? {
                Ok(claim) => return Ok(claim),
                Err(None) => return Ok(Claim::RecordDeleted),
                Err(Some(stored)) => stored,
            };
            let right_count = Count::next(&stored, now);
            if right_count == count || is_known(&stored, upload) {
                return self.claim_again(id, &stored, upload, now, terms).await;
            }
            count = right_count;
        }
        // Others claim uploads of the same record at midnight.
        Ok(Claim::LeaseHeld)
    }

    /// Claims an upload, or returns the record that refuses it; `None` when there is none.
    async fn try_claim(
        &self,
        id: &RecordId,
        upload: &Upload,
        now: SystemTime,
        terms: ClaimTerms,
        count: &Count,
    ) -> Result<Result<Claim, Option<Record>>, Error> {
        let update = self
            .update(id, transitions::claimed(id, upload, now, terms.lease, count))
            .return_values(ReturnValue::UpdatedOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(answer) => {
                let old: Before = from_item(answer.attributes.unwrap_or_default())?;
                let before = if *count == Count::Further { old.uploads.unwrap_or_default() } else { 0 };
                Ok(Ok(if before < terms.max_uploads_per_day {
                    Claim::Acquired { first: old.sequencer.is_none() }
                } else {
                    Claim::LimitReached
                }))
            }
            Err(error) if condition_failed(&error) => {
                let stored = stored_item(error.into_service_error());
                Ok(Err(stored.map(from_item).transpose()?))
            }
            Err(error) => Err(Error::unavailable(SERVICE, "UpdateItem", &error)),
        }
    }

    /// Claims the same upload, or an older one, that was seen before.
    async fn claim_again(
        &self,
        id: &RecordId,
        stored: &Record,
        upload: &Upload,
        now: SystemTime,
        terms: ClaimTerms,
    ) -> Result<Claim, Error> {
        if stored.status == Some(Status::Deleting) {
            return Ok(Claim::Deleting);
        }
        if !is_known(stored, upload) || stored.job_id.is_some() || stored.status.is_some_and(Status::is_final) {
            return Ok(Claim::AlreadyHandled);
        }
        if stored.lease_until.is_some_and(|until| until >= epoch_seconds(now)) {
            return Ok(Claim::LeaseHeld);
        }
        let taken = self.take_over(id, &upload.sequencer, now, terms.lease).await?;
        // An admin's retry is not counted.
        let is_over_limit = stored.uploads > Some(terms.max_uploads_per_day) && stored.retried_at.is_none();
        Ok(match (taken, is_over_limit) {
            (false, _) => Claim::LeaseHeld,
            (true, true) => Claim::LimitReached,
            (true, false) => Claim::TakenOver { since: stored.in_progress_since() },
        })
    }

    /// Takes the upload over from an invocation whose lease has ended; false when another one was faster.
    pub(super) async fn take_over(
        &self,
        id: &RecordId,
        sequencer: &Sequencer,
        now: SystemTime,
        lease: Duration,
    ) -> Result<bool, Error> {
        self.apply(id, transitions::taken_over(sequencer, now, lease)).await
    }

    /// Ends the lease early, so that Lambda's next retry can take the upload at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn release_lease(&self, id: &RecordId, sequencer: &Sequencer) -> Result<bool, Error> {
        self.apply(id, transitions::lease_released(sequencer)).await
    }

    /// Records the job of an upload. False when the job's own event was faster or a newer upload came: both are more
    /// recent.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_submitted(
        &self,
        id: &RecordId,
        sequencer: &Sequencer,
        transcoder: TranscoderKind,
        job_id: &str,
        now: SystemTime,
    ) -> Result<bool, Error> {
        self.apply(id, transitions::job_submitted(sequencer, transcoder, job_id, now)).await
    }

    /// Records that the transcoder will never accept this upload. False when a job or a newer upload is known.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_rejected(
        &self,
        id: &RecordId,
        sequencer: &Sequencer,
        transcoder: TranscoderKind,
        reason: &str,
        now: SystemTime,
    ) -> Result<bool, Error> {
        self.apply(id, transitions::job_rejected(id, sequencer, transcoder, reason, now)).await
    }
}

/// What a claim has replaced.
#[derive(Deserialize)]
struct Before {
    sequencer: Option<String>,
    uploads: Option<u64>,
}

/// Returns whether this very upload is the record's newest.
fn is_known(stored: &Record, upload: &Upload) -> bool {
    stored.sequencer.as_deref() == Some(upload.sequencer.as_str())
        && stored.uploaded_key.as_deref() == Some(upload.key.as_str())
}
