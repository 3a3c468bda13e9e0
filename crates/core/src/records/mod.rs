//! The table of records: one item for each person's video of a step, from the request of a form to the playable result.
//!
//! `requested -> uploaded -> transcoding -> ready | failed`; a newer upload re-enters `uploaded` from any state.

#[cfg(test)]
mod conditions;
mod job;
mod listing;
mod open;
mod request;
mod schema;
mod upload;

use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::key::Invalid;

pub use job::{JobEvent, JobResult};
pub use listing::{Cursor, Filter, Page};
pub use open::SHARDS;
pub use upload::{Claim, Upload};

const SERVICE: &str = "DynamoDB";
const VIDEO_INDEX: &str = "video-index";
const MAIL_INDEX: &str = "mail-index";
const OPEN_INDEX: &str = "open-index";
/// How long a start may wait for DynamoDB.
const PATIENCE: Duration = Duration::from_secs(1);

/// The DynamoDB table of records.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// The table `name`; nothing is sent yet.
    #[must_use]
    pub fn new(aws: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(aws), name: name.to_owned() }
    }

    /// Opens the connection to DynamoDB with the least that it answers, a look for a record that nobody has. Ends after a second and says
    /// nothing of a failure: whoever asks next does.
    pub async fn connect(&self) {
        let nobody = RecordId { project_step: "-".to_owned(), mail: "-".to_owned() };
        let _ = tokio::time::timeout(PATIENCE, self.get(&nobody)).await;
    }
}

/// Where a record stands in the table.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// `{project}-{step}`.
    #[serde(rename = "ProjectStep")]
    pub project_step: String,
    /// The person's mail, or `unknown/...` for an upload that nobody asked for. Private.
    #[serde(rename = "Mail")]
    pub mail: String,
}

/// The start of the stand-in for a mail in the record of an upload that nobody asked for.
const UNKNOWN: &str = "unknown/";
/// DynamoDB takes at most 1,024 bytes as a sort key.
const LONGEST_MAIL: usize = 1024;

impl RecordId {
    /// Whether this can stand in the place of a mail in the record of an upload that nobody asked for.
    #[must_use]
    pub fn is_stand_in(mail: &str) -> bool {
        mail.len() <= LONGEST_MAIL && mail.starts_with(UNKNOWN)
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
    /// A form was handed out.
    Requested,
    /// The video is in the bucket and an invocation is at work on it.
    Uploaded,
    /// The transcoder has the job.
    Transcoding,
    /// The result can be played.
    Ready,
    /// It will not be ready without another upload; `error` says why.
    Failed,
}

impl Status {
    const ALL: [Self; 5] = [Self::Requested, Self::Uploaded, Self::Transcoding, Self::Ready, Self::Failed];

    /// The state as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Uploaded => "uploaded",
            Self::Transcoding => "transcoding",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::Failed)
    }
}

impl std::str::FromStr for Status {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or(Invalid { field: "status", rule: "requested, uploaded, transcoding, ready or failed" })
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
    /// The object key of the newest upload; differs from `video` once a form of another media type was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploaded_key: Option<String>,
    /// The state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When a form was last asked for, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// When S3 took the newest upload, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<String>,
    /// When the record last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// The upload's size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The order of the newest upload; see [`crate::key::Sequencer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
    /// The transcoder that has the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcoder: Option<String>,
    /// The transcoder's job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The result's key in the output bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Why the video failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Until when an invocation owns the upload, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<u64>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?}, {:?}, {:?})", self.id, self.video, self.status)
    }
}

type Item = std::collections::HashMap<String, AttributeValue>;

fn read<T: serde::de::DeserializeOwned>(item: Item) -> Result<T, Error> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|error| Error::Malformed(error.to_string()))
}

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Whether a write was refused by its condition alone.
fn condition_failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalCheckFailedException")
}

/// The outcome of a conditional write: whether its condition held.
fn held<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> Result<bool, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match result {
        Ok(_) => Ok(true),
        Err(error) if condition_failed(&error) => Ok(false),
        Err(error) => Err(Error::unavailable(SERVICE, "UpdateItem", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_original_has_three_attributes() {
        let item = Item::from([
            ("ProjectStep".to_owned(), s("Alba-0")),
            ("Mail".to_owned(), s("a@b")),
            ("video".to_owned(), s("Alba/0/x.webm")),
        ]);
        let record: Record = read(item).unwrap();
        assert_eq!(
            serde_json::to_value(&record).unwrap(),
            serde_json::json!({ "ProjectStep": "Alba-0", "Mail": "a@b", "video": "Alba/0/x.webm" })
        );
    }

    #[test]
    fn debug_output_never_shows_the_mail() {
        let item = Item::from([("ProjectStep".to_owned(), s("Alba-0")), ("Mail".to_owned(), s("canary@b"))]);
        let record: Record = read(item).unwrap();
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
