//! Which video may be retried: a failed one, and one that is stuck.

use std::time::{Duration, SystemTime};

use super::record::{Record, RecordId, Status};
use super::table::Table;
use super::transitions;
use crate::Error;
use crate::ids::Sequencer;
use crate::time::parse_rfc3339;

/// An upload without a result for so long is stuck: Lambda's own retries end after three minutes, and most jobs take
/// less than this.
const STUCK_AFTER: Duration = Duration::from_mins(15);

/// Why a video cannot be retried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRetryable {
    /// Nothing was uploaded yet.
    NeverUploaded,
    /// An upload is being transcoded, and not for long.
    InProgress,
    /// The result is there.
    Ready,
    /// Everything of it is being erased.
    Deleting,
    /// It was retried too often.
    RetriesExhausted,
}

impl Record {
    /// Returns the sequencer of this record's upload and the one of its next retry.
    ///
    /// # Errors
    /// [`NotRetryable`] for a video that is neither failed nor stuck.
    pub fn next_retry(&self, now: SystemTime) -> Result<(Sequencer, Sequencer), NotRetryable> {
        match self.status {
            Some(Status::Deleting) => return Err(NotRetryable::Deleting),
            Some(Status::Ready) => return Err(NotRetryable::Ready),
            Some(Status::Uploaded | Status::Transcoding) if !self.is_stuck(now) => {
                return Err(NotRetryable::InProgress);
            }
            _ => {}
        }
        let seen = self.upload().ok_or(NotRetryable::NeverUploaded)?.sequencer;
        let next = seen.next_retry().ok_or(NotRetryable::RetriesExhausted)?;
        Ok((seen, next))
    }

    /// Returns whether the newest upload, or its last retry, has been worked on for too long. A job that still reports
    /// progress is long, not stuck.
    fn is_stuck(&self, now: SystemTime) -> bool {
        let since = self.in_progress_since().max(self.progress_at.as_deref().and_then(parse_rfc3339));
        since.is_none_or(|since| now.duration_since(since).is_ok_and(|age| age > STUCK_AFTER))
    }
}

impl Table {
    /// Puts an upload into the pipeline again. False when the record changed since it was read, by another retry or a
    /// newer upload.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn retry(
        &self,
        id: &RecordId,
        (seen, next): (&Sequencer, &Sequencer),
        now: SystemTime,
    ) -> Result<bool, Error> {
        self.apply(id, transitions::retried(id, seen, next, now)).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::time::rfc3339_millis;

    fn record(status: &str, uploaded: Option<Duration>, retried: Option<Duration>) -> Record {
        let now = SystemTime::now();
        let mut record = json!({
            "ProjectStep": "p-0", "Mail": "a@b", "video": "p/0/x.webm", "status": status,
            "updatedAt": rfc3339_millis(now), "requestedAt": rfc3339_millis(now),
        });
        if let Some(age) = uploaded {
            record["uploadedKey"] = json!("p/0/x.webm");
            record["sequencer"] = json!("0A");
            record["uploadedAt"] = json!(rfc3339_millis(now - age));
        }
        if let Some(age) = retried {
            record["retriedAt"] = json!(rfc3339_millis(now - age));
        }
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn only_a_failed_or_stuck_upload_can_be_retried() {
        let (young, old) = (Some(Duration::from_mins(1)), Some(Duration::from_mins(16)));
        for (status, uploaded, retried, refusal) in [
            ("failed", young, None, None),
            ("uploaded", old, None, None),
            ("transcoding", old, None, None),
            ("transcoding", old, old, None),
            ("uploaded", young, None, Some(NotRetryable::InProgress)),
            ("transcoding", young, None, Some(NotRetryable::InProgress)),
            ("transcoding", old, young, Some(NotRetryable::InProgress)),
            ("ready", old, None, Some(NotRetryable::Ready)),
            ("deleting", old, None, Some(NotRetryable::Deleting)),
            ("requested", None, None, Some(NotRetryable::NeverUploaded)),
            ("failed", None, None, Some(NotRetryable::NeverUploaded)),
        ] {
            let outcome = record(status, uploaded, retried).next_retry(SystemTime::now());
            assert_eq!(outcome.err(), refusal, "{status} {uploaded:?} {retried:?}");
        }
    }

    #[test]
    fn a_long_job_is_stuck_only_once_it_reports_no_progress_any_more() {
        let old = Some(Duration::from_hours(1));
        for (minutes, stuck) in [(1, false), (16, true)] {
            let mut record = record("transcoding", old, None);
            record.progress_at = Some(rfc3339_millis(SystemTime::now() - Duration::from_mins(minutes)));
            assert_eq!(record.next_retry(SystemTime::now()).is_ok(), stuck, "progress {minutes} minutes ago");
        }
    }

    #[test]
    fn a_form_issued_meanwhile_does_not_make_a_stuck_video_young() {
        let stuck = record("transcoding", Some(Duration::from_mins(16)), None);
        assert!(stuck.updated_at.is_some() && stuck.next_retry(SystemTime::now()).is_ok());
    }
}
