//! Every write of a record, each as one declaration: from which states, under which conditions, what it sets, what it
//! removes.
//!
//! `requested -> uploaded -> transcoding -> ready | failed`; a newer upload re-enters `uploaded` from any state, a
//! retry from `failed` or a stuck one; `deleting` is entered from any state and left by removal only. `open` and
//! `openSince` mark a record that something is still owed to; see [`super::outbox`]. The attributes that indexes hang
//! on are set here and nowhere else.

use std::time::{Duration, SystemTime};

use super::record::{Record, RecordId, Status};
use super::update::{Update, When, differs, equals, less, status_is};
use crate::TranscoderKind;
use crate::ids::{ObjectKey, Sequencer};
use crate::job::{JobEvent, JobOutput, JobResult};
use crate::time::{date, epoch_seconds, rfc3339, rfc3339_millis};
use crate::upload::Upload;

/// What a job leaves in its record; a newer upload and a retry begin without it.
const OF_A_JOB: [&str; 11] = [
    "jobId",
    "transcoder",
    "output",
    "poster",
    "duration",
    "width",
    "height",
    "truncated",
    "progress",
    "progressAt",
    "error",
];
/// How far a job is goes with its end.
const PROGRESS: [&str; 2] = ["progress", "progressAt"];
/// How far a job is is written no more often than this.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// A form for `key` was issued. Any state but `deleting`; a repeated request never resets it.
pub(super) fn form_issued(id: &RecordId, key: &ObjectKey, now: SystemTime) -> Update {
    listed(id, key, now)
        .when(not_deleting())
        .set("video", key.as_str())
        .set("requestedAt", rfc3339(now))
        .set("updatedAt", rfc3339(now))
}

/// The same for whoever has an upload link, whose record was written with it: an erased one does not come back.
pub(super) fn form_renewed(id: &RecordId, key: &ObjectKey, now: SystemTime) -> Update {
    form_issued(id, key, now).when(When::Exists("ProjectStep"))
}

/// An unsolicited upload gets its record, unless the place belongs to another key.
pub(super) fn adopted(id: &RecordId, key: &ObjectKey, now: SystemTime) -> Update {
    listed(id, key, now)
        .when(When::Any(vec![When::Absent("video"), equals("video", key.as_str())]))
        .set("video", key.as_str())
        .set("updatedAt", rfc3339(now))
}

/// A record of the original, or of a version without a list, appears in the list.
pub(super) fn backfilled(id: &RecordId, record: &Record, key: &ObjectKey, listed_at: SystemTime) -> Update {
    let update = listed(id, key, listed_at).when(When::Exists("ProjectStep")).when(When::Absent("listedAt"));
    match &record.open {
        Some(_) => update.set_if_absent("openSince", rfc3339_millis(listed_at)),
        None => update,
    }
}

/// What puts a record into the list, unless it is there already.
fn listed(id: &RecordId, key: &ObjectKey, at: SystemTime) -> Update {
    Update::default()
        .set_if_absent("status", Status::Requested)
        .set_if_absent("listedAt", id.listed_at(at))
        .set_if_absent("project", key.project())
}

/// An upload that is newer than any before is claimed by this invocation. Any state but `deleting`, and never a deleted
/// record.
pub(super) fn claimed(id: &RecordId, upload: &Upload, now: SystemTime, lease: Duration, count: &Count) -> Update {
    owing(id, now)
        .and(counted(count, now))
        .when(When::Exists("ProjectStep"))
        .when(not_deleting())
        .when(When::Any(vec![When::Absent("sequencer"), newer_of_its_key(upload), newer_of_another_key(upload)]))
        .set("status", Status::Uploaded)
        .set("listedAt", id.listed_at(upload.uploaded_at))
        .set("project", upload.key.project())
        .set("video", upload.key.as_str())
        .set("uploadedKey", upload.key.as_str())
        .set("sequencer", upload.sequencer.as_str())
        .set("leaseUntil", epoch_seconds(now + lease))
        .set("uploadedAt", rfc3339_millis(upload.uploaded_at))
        .set("updatedAt", rfc3339(now))
        .set("size", upload.size)
        .remove(&OF_A_JOB)
        .remove(&["retriedAt"])
}

/// How a claim counts its upload: an update cannot do both, so whoever claims has to know the day of the last claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Count {
    /// As one more of this day, or as the first one ever.
    Further,
    /// As the first one of this day; the last claim was on another one.
    FirstSince(String),
}

impl Count {
    /// Returns how the next upload of a record is counted.
    pub(super) fn next(record: &Record, now: SystemTime) -> Self {
        match &record.uploads_day {
            Some(day) if *day != date(now) => Self::FirstSince(day.clone()),
            _ => Self::Further,
        }
    }
}

/// The upload is one more of this day.
fn counted(count: &Count, now: SystemTime) -> Update {
    let update = Update::default().set("uploadsDay", date(now));
    match count {
        Count::Further => update
            .when(When::Any(vec![When::Absent("uploadsDay"), equals("uploadsDay", date(now))]))
            .increment("uploads"),
        Count::FirstSince(day) => update.when(equals("uploadsDay", day.as_str())).set("uploads", 1_u64),
    }
}

/// Sequencers order the uploads of one key.
fn newer_of_its_key(upload: &Upload) -> When {
    When::All(vec![equals("uploadedKey", upload.key.as_str()), less("sequencer", upload.sequencer.as_str())])
}

/// Between two keys the upload's time decides, then the key, so that both orders of their events end alike.
fn newer_of_another_key(upload: &Upload) -> When {
    let at = rfc3339_millis(upload.uploaded_at);
    When::Any(vec![
        When::All(vec![differs("uploadedKey", upload.key.as_str()), less("uploadedAt", at.as_str())]),
        When::All(vec![less("uploadedKey", upload.key.as_str()), equals("uploadedAt", at)]),
    ])
}

/// `failed`, or a stuck one, `-> uploaded`: the same upload with the next sequencer, for any invocation to take over.
pub(super) fn retried(id: &RecordId, seen: &Sequencer, next: &Sequencer, now: SystemTime) -> Update {
    owing(id, now)
        .when(equals("sequencer", seen.as_str()))
        .when(status_is(&[Status::Failed, Status::Uploaded, Status::Transcoding]))
        .set("status", Status::Uploaded)
        .set("sequencer", next.as_str())
        .set("leaseUntil", 0_u64)
        .set("retriedAt", rfc3339_millis(now))
        .set("updatedAt", rfc3339(now))
        .remove(&OF_A_JOB)
}

/// An upload without a job is taken over from an invocation whose lease has ended.
pub(super) fn taken_over(sequencer: &Sequencer, now: SystemTime, lease: Duration) -> Update {
    without_a_job(sequencer)
        .when(less("leaseUntil", epoch_seconds(now)))
        .set("leaseUntil", epoch_seconds(now + lease))
        .set("updatedAt", rfc3339(now))
}

/// The lease of an upload without a job ends at once.
pub(super) fn lease_released(sequencer: &Sequencer) -> Update {
    without_a_job(sequencer).set("leaseUntil", 0_u64)
}

/// `uploaded -> transcoding`: the transcoder accepted the job.
pub(super) fn job_submitted(
    sequencer: &Sequencer,
    transcoder: TranscoderKind,
    job_id: &str,
    now: SystemTime,
) -> Update {
    without_a_job(sequencer)
        .set("status", Status::Transcoding)
        .set("jobId", job_id)
        .set("transcoder", transcoder.as_str())
        .set("updatedAt", rfc3339(now))
        .remove(&["leaseUntil"])
}

/// `uploaded -> failed`: the transcoder will never accept this upload.
pub(super) fn job_rejected(
    id: &RecordId,
    sequencer: &Sequencer,
    transcoder: TranscoderKind,
    reason: &str,
    now: SystemTime,
) -> Update {
    without_a_job(sequencer)
        .and(owing(id, now))
        .set("status", Status::Failed)
        .set("error", reason)
        .set("transcoder", transcoder.as_str())
        .set("updatedAt", rfc3339(now))
        .remove(&["leaseUntil"])
}

fn without_a_job(sequencer: &Sequencer) -> Update {
    Update::default()
        .when(equals("sequencer", sequencer.as_str()))
        .when(equals("status", Status::Uploaded))
        .when(When::Absent("jobId"))
}

/// What a job's event does.
pub(super) fn job_changed(id: &RecordId, event: &JobEvent, now: SystemTime) -> Update {
    let update = match &event.result {
        JobResult::Progressing { percent: None } => job_progressing(),
        JobResult::Progressing { percent: Some(percent) } => job_progressed(&event.job_id, *percent, now),
        JobResult::Ready(output) => job_ready(output).and(owing(id, now)),
        JobResult::Failed { reason } => job_failed(&event.job_id, reason).and(owing(id, now)),
    };
    update
        .when(equals("sequencer", event.sequencer.as_str()))
        .set("jobId", event.job_id.as_str())
        .set("transcoder", event.transcoder.as_str())
        .set("updatedAt", rfc3339(now))
        .remove(&["leaseUntil"])
}

/// `uploaded -> transcoding`, where the job's own event was faster than the record of its submission.
fn job_progressing() -> Update {
    Update::default()
        .when(equals("status", Status::Uploaded))
        .when(When::Absent("jobId"))
        .set("status", Status::Transcoding)
}

/// `uploaded | transcoding -> transcoding`, by the upload's own job alone: only forward, and not too often.
fn job_progressed(job_id: &str, percent: u8, now: SystemTime) -> Update {
    let earlier = now.checked_sub(PROGRESS_INTERVAL).unwrap_or(SystemTime::UNIX_EPOCH);
    Update::default()
        .when(status_is(&[Status::Uploaded, Status::Transcoding]))
        .when(When::Any(vec![When::Absent("jobId"), equals("jobId", job_id)]))
        .when(When::Any(vec![When::Absent("progress"), less("progress", u64::from(percent))]))
        .when(When::Any(vec![When::Absent("progressAt"), less("progressAt", rfc3339_millis(earlier))]))
        .set("status", Status::Transcoding)
        .set("progress", u64::from(percent))
        .set("progressAt", rfc3339_millis(now))
}

/// `uploaded | transcoding | failed -> ready`, which only a newer upload or an erasure leaves: whichever job of this
/// upload succeeds, its result can be played.
fn job_ready(output: &JobOutput) -> Update {
    Update::default()
        .when(status_is(&[Status::Uploaded, Status::Transcoding, Status::Failed]))
        .set("status", Status::Ready)
        .set("output", output.key.as_str())
        .set_known("poster", output.poster.as_deref())
        .set_known("duration", output.facts.duration)
        .set_known("width", output.facts.width)
        .set_known("height", output.facts.height)
        .set_known("truncated", output.facts.truncated.then_some(true))
        .remove(&PROGRESS)
        .remove(&["error"])
}

/// `uploaded | transcoding -> failed`, by the upload's own job alone.
fn job_failed(job_id: &str, reason: &str) -> Update {
    Update::default()
        .when(status_is(&[Status::Uploaded, Status::Transcoding]))
        .when(When::Any(vec![When::Absent("jobId"), equals("jobId", job_id)]))
        .set("status", Status::Failed)
        .set("error", reason)
        .remove(&PROGRESS)
}

/// The event of a result was put: nothing is owed any more, unless the record changed meanwhile.
pub(super) fn announced(sequencer: &Sequencer, status: Status) -> Update {
    Update::default()
        .when(equals("sequencer", sequencer.as_str()))
        .when(equals("status", status))
        .remove(&["open", "openSince"])
}

/// Any state `-> deleting`: everything of this record is to be erased.
pub(super) fn deleting(id: &RecordId, now: SystemTime) -> Update {
    owing(id, now)
        .when(When::Exists("ProjectStep"))
        .set("status", Status::Deleting)
        .set("updatedAt", rfc3339(now))
        .remove(&["leaseUntil"])
}

/// The same for a record that is too old, unless it changed since it was read.
pub(super) fn expired(seen: &Record, status: Status, now: SystemTime) -> Update {
    let unchanged = |name, value: &Option<String>| match value {
        Some(value) => equals(name, value.as_str()),
        None => When::Absent(name),
    };
    deleting(&seen.id, now)
        .when(equals("status", status))
        .when(unchanged("listedAt", &seen.listed_at))
        .when(unchanged("requestedAt", &seen.requested_at))
}

fn not_deleting() -> When {
    When::Any(vec![When::Absent("status"), differs("status", Status::Deleting)])
}

/// Something is owed to the record from now on.
fn owing(id: &RecordId, now: SystemTime) -> Update {
    Update::default().set("open", id.shard()).set("openSince", rfc3339_millis(now))
}
