//! Every write of a record, each as one declaration: from which states, under which conditions, what it sets, what it
//! removes.
//!
//! `requested -> uploaded -> transcoding -> ready | failed`; a newer upload re-enters `uploaded` from any state. `open`
//! marks a record that something is still owed to; the sweep finds it by that. The attributes that indexes hang on are
//! set here and nowhere else.

use std::time::{Duration, SystemTime};

use super::in_progress::shard;
use super::update::{Update, When, differs, equals, less, status_is};
use super::{Status, Upload};
use crate::TranscoderKind;
use crate::ids::{ObjectKey, Sequencer};
use crate::job::{JobEvent, JobResult};
use crate::time::{epoch_seconds, rfc3339};

/// A form for `key` was issued. Any state; a repeated request never resets it.
pub(super) fn form_issued(key: &ObjectKey, now: SystemTime) -> Update {
    Update::default()
        .set("video", key.as_str())
        .set("requestedAt", rfc3339(now))
        .set("updatedAt", rfc3339(now))
        .set_if_absent("status", Status::Requested)
}

/// An unsolicited upload gets its record, unless the place belongs to another key.
pub(super) fn adopted(key: &ObjectKey, now: SystemTime) -> Update {
    Update::default()
        .when(When::Any(vec![When::Absent("video"), equals("video", key.as_str())]))
        .set("video", key.as_str())
        .set("updatedAt", rfc3339(now))
        .set_if_absent("status", Status::Requested)
}

/// An upload that is newer than any before is claimed by this invocation. Any state, but never a deleted record.
pub(super) fn claimed(upload: &Upload, now: SystemTime, lease: Duration) -> Update {
    Update::default()
        .when(When::Exists("ProjectStep"))
        .when(When::Any(vec![When::Absent("sequencer"), less("sequencer", upload.sequencer.as_str())]))
        .set("status", Status::Uploaded)
        .set("video", upload.key.as_str())
        .set("uploadedKey", upload.key.as_str())
        .set("sequencer", upload.sequencer.as_str())
        .set("leaseUntil", epoch_seconds(now + lease))
        .set("open", shard(&upload.key))
        .set("uploadedAt", rfc3339(upload.uploaded_at))
        .set("updatedAt", rfc3339(now))
        .set("size", upload.size)
        .remove(&["jobId", "transcoder", "output", "error"])
}

/// An upload without a job is taken over from an invocation whose lease has ended.
pub(super) fn taken_over(sequencer: &Sequencer, now: SystemTime, lease: Duration) -> Update {
    Update::default()
        .when(equals("sequencer", sequencer.as_str()))
        .when(When::Absent("jobId"))
        .when(less("leaseUntil", epoch_seconds(now)))
        .set("leaseUntil", epoch_seconds(now + lease))
        .set("updatedAt", rfc3339(now))
}

/// The lease of an upload without a job ends at once.
pub(super) fn lease_released(sequencer: &Sequencer) -> Update {
    Update::default().when(equals("sequencer", sequencer.as_str())).when(When::Absent("jobId")).set("leaseUntil", 0_u64)
}

/// `uploaded -> transcoding`: the transcoder accepted the job.
pub(super) fn job_submitted(
    sequencer: &Sequencer,
    transcoder: TranscoderKind,
    job_id: &str,
    now: SystemTime,
) -> Update {
    Update::default()
        .when(equals("sequencer", sequencer.as_str()))
        .when(When::Absent("jobId"))
        .set("status", Status::Transcoding)
        .set("jobId", job_id)
        .set("transcoder", transcoder.as_str())
        .set("updatedAt", rfc3339(now))
        .remove(&["leaseUntil"])
}

/// `uploaded -> failed`: the transcoder will never accept this upload.
pub(super) fn job_rejected(sequencer: &Sequencer, transcoder: TranscoderKind, reason: &str, now: SystemTime) -> Update {
    Update::default()
        .when(equals("sequencer", sequencer.as_str()))
        .when(When::Absent("jobId"))
        .set("status", Status::Failed)
        .set("error", reason)
        .set("transcoder", transcoder.as_str())
        .set("updatedAt", rfc3339(now))
        .remove(&["leaseUntil", "open"])
}

/// What a job's event does.
pub(super) fn job_changed(event: &JobEvent, now: SystemTime) -> Update {
    let update = match &event.result {
        JobResult::Progressing => job_progressing(),
        JobResult::Ready { output } => job_ready(output),
        JobResult::Failed { reason } => job_failed(&event.job_id, reason),
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

/// Any state `-> ready`, which only a newer upload leaves: whichever job of this upload succeeds, its result can be
/// played.
fn job_ready(output: &str) -> Update {
    Update::default()
        .when(differs("status", Status::Ready))
        .set("status", Status::Ready)
        .set("output", output)
        .remove(&["error", "open"])
}

/// `uploaded | transcoding -> failed`, by the upload's own job alone.
fn job_failed(job_id: &str, reason: &str) -> Update {
    Update::default()
        .when(status_is(&[Status::Uploaded, Status::Transcoding]))
        .when(When::Any(vec![When::Absent("jobId"), equals("jobId", job_id)]))
        .set("status", Status::Failed)
        .set("error", reason)
        .remove(&["open"])
}
