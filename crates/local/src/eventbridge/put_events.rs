//! `PutEvents`: up to ten entries, each put or rejected by itself.

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::EventBus;
use super::entry::Entry;
use super::rules::queue_of;
use crate::aws_json::{ApiError, parse};
use crate::event_queue;

/// The maximum number of entries in a request.
const MAX_ENTRIES: usize = 10;

/// The maximum size of all entries together.
const MAX_SIZE: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Option<Vec<Entry>>,
}

/// Puts the entries of a request and returns its response. What is put is committed before this returns.
///
/// # Errors
/// `ValidationException`, or `SerializationException` for a body that is not such a request.
pub(super) fn put_events(bus: &EventBus, body: &Bytes) -> Result<Value, ApiError> {
    let malformed = |message| ApiError::new(StatusCode::BAD_REQUEST, "SerializationException", message);
    let request: PutEvents = parse(body, malformed)?;
    let entries = request.entries.ok_or_else(|| violation("null", "Member must not be null"))?;
    check(&entries)?;
    let results = bus
        .database
        .transaction(|tx| entries.iter().map(|entry| put(bus, tx, entry)).collect::<rusqlite::Result<Vec<Value>>>())?;
    let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
    Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
}

fn check(entries: &[Entry]) -> Result<(), ApiError> {
    if entries.is_empty() {
        return Err(violation("'[]'", "Member must have length greater than or equal to 1"));
    }
    if entries.len() > MAX_ENTRIES {
        return Err(violation("'[PutEventsRequestEntry]'", "Member must have length less than or equal to 10"));
    }
    if entries.iter().map(Entry::size).sum::<usize>() > MAX_SIZE {
        return Err(invalid("Total size of the entries in the request is over the limit."));
    }
    Ok(())
}

/// Enqueues the event of one entry, and returns its part of the response.
fn put(bus: &EventBus, tx: &rusqlite::Transaction<'_>, entry: &Entry) -> rusqlite::Result<Value> {
    let id = Uuid::new_v4().to_string();
    let event = match entry.event(bus, &id) {
        Ok(event) => event,
        Err(error) => return Ok(json!({ "ErrorCode": error.code, "ErrorMessage": error.message })),
    };
    if let Some(queue) = queue_of(&event).filter(|_| entry.is_for_default_bus(bus)) {
        event_queue::enqueue_in(tx, queue, &event)?;
    }
    Ok(json!({ "EventId": id }))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "ValidationException", message)
}

fn violation(value: &str, constraint: &str) -> ApiError {
    invalid(format!(
        "1 validation error detected: Value {value} at 'entries' failed to satisfy constraint: {constraint}"
    ))
}
