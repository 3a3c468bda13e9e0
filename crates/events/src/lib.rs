//! The events function: uploads that S3 announces are transcoded, results that the transcoders announce are recorded.
//!
//! A malformed message is logged and acknowledged, since a retry would not help. Only work that may succeed later is an
//! error: then Lambda retries, and in the end keeps the event in the dead-letter queue.

mod announce;
mod backfill;
mod decode;
mod erase;
mod error;
mod result;
mod retention;
mod settle;
mod state;
mod sweep;
mod upload;

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::Instant;

use decode::Message;

pub use error::Error;
pub use state::State;

/// Lambda accepts an answer until the deadline; this much before it the function gives up, so that it can still report.
const DEADLINE_MARGIN: Duration = Duration::from_secs(1);

/// Runs [`handle`], but gives up a second before Lambda would kill the function: the error says what happened, and the
/// sandbox lives on.
///
/// # Errors
/// [`Error::DeadlineReached`], else those of [`handle`].
pub async fn handle_until(deadline: SystemTime, state: &State, event: Value) -> Result<Value, Error> {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let limit = Instant::now() + left.saturating_sub(DEADLINE_MARGIN);
    tokio::time::timeout_at(limit, handle(state, event)).await.unwrap_or(Err(Error::DeadlineReached))
}

/// Handles whatever the function is invoked with, and returns what the invoker wants to know. Every message of an event
/// is worked on, whatever happens to the others.
///
/// # Errors
/// [`Error`] when at least one message failed.
pub async fn handle(state: &State, event: Value) -> Result<Value, Error> {
    let messages = decode::messages(event);
    let all = messages.len();
    let (mut answer, mut errors) = (Value::Null, Vec::new());
    for message in messages {
        match handle_message(state, message).await {
            Ok(done) => answer = done,
            Err(error) => {
                tracing::error!(error.message = %error, "a message failed; Lambda will retry");
                errors.push(error);
            }
        }
    }
    match errors.len() {
        0 => Ok(answer),
        1 if all == 1 => Err(errors.remove(0)),
        failed => Err(Error::Partial { failed, all, first: errors.remove(0).to_string() }),
    }
}

async fn handle_message(state: &State, message: Message) -> Result<Value, Error> {
    // Each on the heap, so that none pays for the depth of the others.
    match message {
        Message::Upload(upload) => Box::pin(upload::uploaded(state, upload)).await?,
        Message::Job(change) => Box::pin(result::job_changed(state, change)).await?,
        Message::Request(key) => Box::pin(settle::requested(state, &key)).await?,
        Message::Sweep => Box::pin(sweep::sweep(state)).await,
        Message::Backfill { segment } => return Box::pin(backfill::backfill(state, segment)).await,
    }
    Ok(Value::Null)
}
