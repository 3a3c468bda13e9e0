//! A record: one person's video of a step, from the first form to the playable result.

use std::fmt;
use std::ops::Not;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize};

use super::item::{Item, s};
use crate::TranscoderKind;
use crate::ids::{ObjectKey, PLACEHOLDER_PREFIX, Sequencer, ValidationError, fingerprint};
use crate::time::{epoch_millis, parse_rfc3339};
use crate::upload::Upload;

/// The primary key of a record.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// `{project}-{step}`.
    #[serde(rename = "ProjectStep")]
    pub project_step: String,
    /// The person's mail, or a placeholder `unknown/...` for an unsolicited upload. Private.
    #[serde(rename = "Mail")]
    pub mail: String,
}

/// DynamoDB takes at most 1,024 bytes as a sort key.
pub(super) const MAX_SORT_KEY_LENGTH: usize = 1024;

impl RecordId {
    /// Returns whether this is the placeholder of a mail in the record of an unsolicited upload.
    #[must_use]
    pub fn is_placeholder(mail: &str) -> bool {
        mail.len() <= MAX_SORT_KEY_LENGTH && mail.starts_with(PLACEHOLDER_PREFIX)
    }
}

impl RecordId {
    /// Returns the record's place in the list for a time: unique, and without the mail, so that it serves as a cursor
    /// too.
    pub(super) fn listed_at(&self, at: SystemTime) -> String {
        format!("{:013}~{}", epoch_millis(at), self.fingerprint())
    }

    /// Returns the record's shard of the outbox: the first hex digit of its fingerprint.
    pub(super) fn shard(&self) -> String {
        self.fingerprint().chars().take(1).collect()
    }

    fn fingerprint(&self) -> String {
        fingerprint(&[&self.project_step, &self.mail])
    }

    /// Returns the primary key as DynamoDB takes it.
    pub(super) fn to_key(&self) -> Item {
        Item::from([("ProjectStep".to_owned(), s(&self.project_step)), ("Mail".to_owned(), s(&self.mail))])
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({}, ..)", self.project_step)
    }
}

/// A video's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A form was issued.
    Requested,
    /// The video is in the bucket and its job is about to be submitted.
    Uploaded,
    /// The transcoder has the job.
    Transcoding,
    /// The result can be played.
    Ready,
    /// It will not be ready without another upload or a retry; `error` says why.
    Failed,
    /// Everything of it is being erased.
    Deleting,
}

impl Status {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Requested, Self::Uploaded, Self::Transcoding, Self::Ready, Self::Failed, Self::Deleting];
    /// The states of a list without a filter, in the order of a video's life: whoever reads them one after another does
    /// not miss a record that moves on meanwhile. `ready` comes last, since a late success leads from `failed` to it.
    pub const LISTED: [Self; 5] = [Self::Requested, Self::Uploaded, Self::Transcoding, Self::Failed, Self::Ready];

    /// Returns the state as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Uploaded => "uploaded",
            Self::Transcoding => "transcoding",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }

    /// Returns whether no invocation may work on an upload in this state.
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::Failed)
    }
}

impl FromStr for Status {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or(ValidationError {
            field: "status",
            rule: "requested, uploaded, transcoding, ready, failed or deleting",
        })
    }
}

/// A record as the table holds it and the admin sees it. The original's records have the first three attributes only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Partition and sort key.
    #[serde(flatten)]
    pub id: RecordId,
    /// The object key of the newest form or upload.
    pub video: Option<String>,
    /// The object key of the newest upload; differs from `video` once a form of another media type was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploaded_key: Option<String>,
    /// The state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When a form was last issued, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// When S3 took the newest upload, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<String>,
    /// When the record last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// When the newest upload was last retried, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried_at: Option<String>,
    /// The record's place in the list: milliseconds since 1970, `~` and the record's fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<String>,
    /// The project, the partition key of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The upload's size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The order of the newest upload; see [`crate::ids::Sequencer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
    /// The transcoder that has the job; one that this version does not know reads as none.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "known_transcoder")]
    pub transcoder: Option<TranscoderKind>,
    /// The transcoder's job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The result's key in the output bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The key of the result's poster in the output bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poster: Option<String>,
    /// The result's duration in seconds, to the nearest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// The result's width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u64>,
    /// The result's height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Whether the video is longer than allowed, and the result ends before it.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub truncated: bool,
    /// How many percent of the job are done, while the video is transcoded and the transcoder says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<u64>,
    /// When `progress` was written, RFC 3339.
    #[serde(skip_serializing)]
    pub progress_at: Option<String>,
    /// Why the video failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Until when an invocation owns the upload, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<u64>,
    /// How many uploads were claimed on `uploads_day`.
    #[serde(skip_serializing)]
    pub uploads: Option<u64>,
    /// The day of the last claim, such as `2026-11-24`.
    #[serde(skip_serializing)]
    pub uploads_day: Option<String>,
    /// The shard of the outbox, while something is still owed to the record; see [`super::outbox`].
    #[serde(skip_serializing)]
    pub open: Option<String>,
}

/// Reads a transcoder's name: one record that another version wrote must not make the whole list unreadable.
fn known_transcoder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TranscoderKind>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    Ok(name.and_then(|name| name.parse().ok()))
}

impl Record {
    /// Returns the upload that the record was last claimed for.
    #[must_use]
    pub fn upload(&self) -> Option<Upload> {
        Some(Upload {
            key: ObjectKey::from_decoded(self.uploaded_key.as_deref()?).ok()?,
            sequencer: self.sequencer()?,
            size: self.size.unwrap_or_default(),
            uploaded_at: parse_rfc3339(self.uploaded_at.as_deref()?)?,
        })
    }

    /// Returns the order of the newest upload or retry.
    #[must_use]
    pub fn sequencer(&self) -> Option<Sequencer> {
        self.sequencer.as_deref()?.parse().ok()
    }

    /// Returns the key of the newest upload, else of the newest form.
    #[must_use]
    pub fn key(&self) -> Option<ObjectKey> {
        ObjectKey::from_decoded(self.uploaded_key.as_deref().or(self.video.as_deref())?).ok()
    }

    /// Returns whether the newest upload has neither a result nor a failure yet.
    #[must_use]
    pub fn in_progress(&self) -> bool {
        matches!(self.status, Some(Status::Uploaded | Status::Transcoding))
    }

    /// Returns since when the newest upload or its last retry is worked on.
    #[must_use]
    pub fn in_progress_since(&self) -> Option<SystemTime> {
        let uploaded_at = self.uploaded_at.as_deref().and_then(parse_rfc3339);
        uploaded_at.max(self.retried_at.as_deref().and_then(parse_rfc3339))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?}, {:?}, {:?})", self.id, self.video, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::item::from_item;

    #[test]
    fn a_record_of_the_original_has_three_attributes() {
        let item = Item::from([
            ("ProjectStep".to_owned(), s("Alba-0")),
            ("Mail".to_owned(), s("a@b")),
            ("video".to_owned(), s("Alba/0/x.webm")),
        ]);
        let record: Record = from_item(item).unwrap();
        assert_eq!(
            serde_json::to_value(&record).unwrap(),
            serde_json::json!({ "ProjectStep": "Alba-0", "Mail": "a@b", "video": "Alba/0/x.webm" })
        );
    }

    #[test]
    fn a_transcoder_of_another_version_does_not_make_a_record_unreadable() {
        let item = |transcoder: &str| {
            let attributes = [("ProjectStep", "Alba-0"), ("Mail", "a@b"), ("transcoder", transcoder)];
            attributes.into_iter().map(|(name, value)| (name.to_owned(), s(value))).collect::<Item>()
        };
        let read = |transcoder| from_item::<Record>(item(transcoder)).unwrap().transcoder;
        assert_eq!(read("mediaconvert"), Some(TranscoderKind::MediaConvert));
        assert_eq!(read("another"), None);
    }

    #[test]
    fn debug_output_never_shows_the_mail() {
        let item = Item::from([("ProjectStep".to_owned(), s("Alba-0")), ("Mail".to_owned(), s("canary@b"))]);
        let record: Record = from_item(item).unwrap();
        assert!(!format!("{record:?} {:?}", record.id).contains("canary"));
    }

    #[test]
    fn every_status_reads_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!("done".parse::<Status>().unwrap_err().field, "status");
    }
}
