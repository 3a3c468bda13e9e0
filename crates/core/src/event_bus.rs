//! What the functions tell each other, and whoever else listens, through EventBridge's default bus. At least once, in
//! any order, and never with a mail: the records are the truth, an event only makes it quick.
//!
//! See <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>.

use std::ops::Not;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::ids::ObjectKey;
use crate::records::{Record, Status};

const SERVICE: &str = "EventBridge";
const OPERATION: &str = "PutEvents";
/// The source of every event of this system.
pub const SOURCE: &str = "video";

/// What happened, as the event's detail-type says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// An admin requested a retry.
    RetryRequested,
    /// An admin requested the erasure of a video.
    EraseRequested,
    /// A result can be played.
    Ready,
    /// A video will not be ready without another upload or a retry.
    Failed,
}

impl EventType {
    /// Returns the detail-type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetryRequested => "Video Retry Requested",
            Self::EraseRequested => "Video Erase Requested",
            Self::Ready => "Video Ready",
            Self::Failed => "Video Failed",
        }
    }
}

/// The video that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The project, as the key names it.
    pub project: String,
    /// The step, as the key names it.
    pub step: String,
    /// The object key of the upload, or of the form where nothing was uploaded.
    pub video: String,
    /// Which upload of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
    /// The state of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The result's key in the output bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The key of the result's poster there.
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
    /// Why the video failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Detail {
    /// Names a video by its key alone.
    #[must_use]
    pub fn of_key(key: &ObjectKey) -> Self {
        Self {
            project: key.project().to_owned(),
            step: key.step().to_owned(),
            video: key.to_string(),
            sequencer: None,
            status: None,
            output: None,
            poster: None,
            duration: None,
            width: None,
            height: None,
            truncated: false,
            error: None,
        }
    }

    /// Tells the result that a record holds.
    #[must_use]
    pub fn of_result(key: &ObjectKey, record: &Record) -> Self {
        Self {
            sequencer: record.sequencer.clone(),
            status: record.status,
            output: record.output.clone(),
            poster: record.poster.clone(),
            duration: record.duration,
            width: record.width,
            height: record.height,
            truncated: record.truncated,
            error: record.error.clone(),
            ..Self::of_key(key)
        }
    }
}

/// The default event bus of the account and region.
#[derive(Debug, Clone)]
pub struct EventBus(Client);

impl EventBus {
    /// Creates a client; nothing is sent yet.
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }

    /// Puts one event.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the call fails or EventBridge does not take the event.
    pub async fn put(&self, event_type: EventType, detail: &Detail) -> Result<(), Error> {
        let unavailable = |reason: String| Error::Unavailable { service: SERVICE, operation: OPERATION, reason };
        let detail = serde_json::to_string(detail).map_err(|error| unavailable(error.to_string()))?;
        let entry = PutEventsRequestEntry::builder().source(SOURCE).detail_type(event_type.as_str()).detail(detail);
        let answer = self.0.put_events().entries(entry.build()).send().await;
        let answer = answer.map_err(|error| Error::unavailable(SERVICE, OPERATION, &error))?;
        match answer.entries.unwrap_or_default().into_iter().find(|entry| entry.error_code.is_some()) {
            None => Ok(()),
            Some(failed) => Err(unavailable(format!(
                "{}: {}",
                failed.error_code.unwrap_or_default(),
                failed.error_message.unwrap_or_default()
            ))),
        }
    }
}
