//! What a transcoder's events do to a record. They come at least once, in any order, also before our own submit is recorded.

use std::time::SystemTime;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use super::{RecordId, Status, Table, held, s};
use crate::Error;
use crate::key::Sequencer;
use crate::time::rfc3339;

/// A job's event, with the upload that it is about.
#[derive(Debug, Clone)]
pub struct JobEvent {
    /// Which upload of the record's key.
    pub sequencer: Sequencer,
    /// The transcoder, as `TRANSCODER` spells it.
    pub transcoder: &'static str,
    /// The transcoder's id of the job.
    pub job_id: String,
    /// How far the job is.
    pub result: JobResult,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// The transcoder is at work.
    Progressing,
    /// The result is in the output bucket.
    Ready {
        /// Its key there.
        output: String,
    },
    /// The job ended without a result.
    Failed {
        /// The reason, fit for the admin.
        reason: String,
    },
}

impl JobResult {
    /// A failure in one line for the admin: whose error, its number, its text.
    #[must_use]
    pub fn failed(service: &str, code: Option<&str>, detail: Option<&str>) -> Self {
        let code = code.map(|code| format!(" error {code}")).unwrap_or_default();
        let detail = detail.filter(|text| !text.is_empty()).unwrap_or("no reason was given");
        Self::Failed { reason: format!("{service}{code}: {detail}") }
    }

    /// The failure of a job that somebody cancelled.
    #[must_use]
    pub fn cancelled(service: &str) -> Self {
        Self::failed(service, None, Some("the job was cancelled"))
    }
}

impl Table {
    /// Applies a job's event to its record. False when the event changes nothing: a newer upload is known, the record is ready, or another
    /// job is at work for this upload.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn apply(&self, id: &RecordId, event: &JobEvent, now: SystemTime) -> Result<bool, Error> {
        let update = match &event.result {
            JobResult::Progressing => self.progressing(id),
            JobResult::Ready { output } => self.ready(id, output),
            JobResult::Failed { reason } => self.failed(id, reason),
        };
        let update = update
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":sequencer", s(event.sequencer.as_str()))
            .expression_attribute_values(":transcoder", s(event.transcoder))
            .expression_attribute_values(":job", s(&event.job_id))
            .expression_attribute_values(":now", s(rfc3339(now)));
        held(update.send().await)
    }

    fn progressing(&self, id: &RecordId) -> UpdateItemFluentBuilder {
        self.update(id)
            .update_expression("SET #status = :transcoding, jobId = :job, transcoder = :transcoder, updatedAt = :now REMOVE leaseUntil")
            .condition_expression("sequencer = :sequencer AND #status = :uploaded AND attribute_not_exists(jobId)")
            .expression_attribute_values(":transcoding", s(Status::Transcoding.as_str()))
            .expression_attribute_values(":uploaded", s(Status::Uploaded.as_str()))
    }

    /// `ready` absorbs everything but a newer upload: whichever job of this upload ends well, its result can be played.
    fn ready(&self, id: &RecordId, output: &str) -> UpdateItemFluentBuilder {
        self.update(id)
            .update_expression(
                "SET #status = :ready, jobId = :job, transcoder = :transcoder, #output = :output, updatedAt = :now \
                 REMOVE leaseUntil, #error, #open",
            )
            .condition_expression("sequencer = :sequencer AND #status <> :ready")
            .expression_attribute_names("#output", "output")
            .expression_attribute_names("#error", "error")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":ready", s(Status::Ready.as_str()))
            .expression_attribute_values(":output", s(output))
    }

    fn failed(&self, id: &RecordId, reason: &str) -> UpdateItemFluentBuilder {
        self.update(id)
            .update_expression(
                "SET #status = :failed, jobId = :job, transcoder = :transcoder, #error = :reason, updatedAt = :now REMOVE leaseUntil, #open",
            )
            .condition_expression(
                "sequencer = :sequencer AND #status IN (:uploaded, :transcoding) AND (attribute_not_exists(jobId) OR jobId = :job)",
            )
            .expression_attribute_names("#error", "error")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":failed", s(Status::Failed.as_str()))
            .expression_attribute_values(":uploaded", s(Status::Uploaded.as_str()))
            .expression_attribute_values(":transcoding", s(Status::Transcoding.as_str()))
            .expression_attribute_values(":reason", s(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_whose_error_it_is_with_its_number_and_its_text() {
        for (code, detail, reason) in [
            (Some("1040"), Some("Unsupported file"), "MediaConvert error 1040: Unsupported file"),
            (None, Some("Unsupported file"), "MediaConvert: Unsupported file"),
            (Some("1040"), Some(""), "MediaConvert error 1040: no reason was given"),
            (None, None, "MediaConvert: no reason was given"),
        ] {
            let failed = JobResult::failed("MediaConvert", code, detail);
            assert_eq!(failed, JobResult::Failed { reason: reason.to_owned() });
        }
    }
}
