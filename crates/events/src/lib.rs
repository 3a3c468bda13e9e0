//! What S3, Elastic Transcoder and MediaConvert tell: uploads to transcode, results to record.
//!
//! A message that can never be understood is logged and acknowledged, since another try would not help. Only work that may succeed later
//! is an error: then Lambda tries again, and in the end keeps the event in the dead-letter queue.

mod event;
mod job;
mod s3;
mod sweep;

use std::time::{Duration, SystemTime};

use lambda_runtime::Diagnostic;
use serde_json::Value;
use tokio::time::Instant;
use video_core::aws::Aws;
use video_core::config;
use video_core::records::Table;
use video_core::transcoder::Transcoder;

use crate::event::Message;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    table: Table,
    transcoder: Transcoder,
    media_bucket: String,
    lease: Duration,
}

impl State {
    /// The state for this configuration; nothing is sent yet.
    #[must_use]
    pub fn new(config: config::Events, aws: &Aws) -> Self {
        let sdk = aws.sdk_config();
        Self {
            table: Table::new(&sdk, &config.table),
            transcoder: Transcoder::new(&config.transcoder, &sdk),
            media_bucket: config.media_bucket,
            lease: config.lease,
        }
    }

    /// Opens the connection to DynamoDB while the start has a whole core; see [`Table::connect`].
    pub async fn connect(&self) {
        self.table.connect().await;
    }
}

/// Why an event must come again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS did not do its part.
    #[error(transparent)]
    Aws(#[from] video_core::Error),
    /// Another invocation is at work on this upload.
    #[error("another invocation is at work on {0}")]
    Busy(String),
    /// The record was deleted while the event was handled.
    #[error("the record of {0} is gone")]
    Gone(String),
    /// The function's time was over before the event was done.
    #[error("the function's time is over")]
    OutOfTime,
    /// Some messages of an event failed; the others are done.
    #[error("{failed} of {all} messages failed, the first one because: {first}")]
    Partial {
        /// How many failed.
        failed: usize,
        /// How many there were.
        all: usize,
        /// What was wrong with the first one that failed.
        first: String,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: "EventNotHandled".to_owned(), error_message: error.to_string() }
    }
}

/// Lambda takes an answer until the deadline; this much before it is the time to say that there is none.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// [`handle`], given up a second before Lambda would kill the function: an error says what happened, and the sandbox lives on.
///
/// # Errors
/// [`Error::OutOfTime`], else those of [`handle`].
pub async fn handle_until(deadline: SystemTime, state: &State, event: Value) -> Result<(), Error> {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let limit = Instant::now() + left.saturating_sub(LAST_WORDS);
    tokio::time::timeout_at(limit, handle(state, event)).await.unwrap_or(Err(Error::OutOfTime))
}

/// Handles whatever the function is invoked with. Every message of an event is worked on, whatever happens to the others.
///
/// # Errors
/// [`Error`] when at least one message must come again.
pub async fn handle(state: &State, event: Value) -> Result<(), Error> {
    let messages = event::messages(event);
    let all = messages.len();
    let mut errors = Vec::new();
    for message in messages {
        let done = match message {
            Message::Upload(upload) => s3::uploaded(state, upload).await,
            Message::Job(event) => job::changed(state, event).await,
            Message::Sweep => {
                sweep::sweep(state).await;
                Ok(())
            }
        };
        errors.extend(done.err().inspect(|error| tracing::error!(error.message = %error, "a message must come again")));
    }
    match errors.len() {
        0 => Ok(()),
        1 if all == 1 => Err(errors.remove(0)),
        failed => Err(Error::Partial { failed, all, first: errors.remove(0).to_string() }),
    }
}
