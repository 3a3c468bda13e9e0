//! The queues' tables: events that were not handled yet.

use rusqlite::{Connection, Row, Transaction};
use serde_json::Value;

/// The tables; times are Unix milliseconds, `enqueued_at` Unix seconds.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request_id TEXT NOT NULL,
        payload TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS events_by_time ON events (not_before, id);
    CREATE TABLE IF NOT EXISTS webhook_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request_id TEXT NOT NULL,
        payload TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before INTEGER NOT NULL DEFAULT 0,
        enqueued_at INTEGER NOT NULL DEFAULT (unixepoch())
    ) STRICT;
    CREATE INDEX IF NOT EXISTS webhook_events_by_time ON webhook_events (not_before, id);
";

/// How long an event is kept for a webhook, in seconds: EventBridge's maximum age of an event. Without a webhook
/// nothing else removes it.
const MAX_WEBHOOK_AGE: i64 = 24 * 60 * 60;

/// A queue, named by the receiver of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// The events function.
    Function,
    /// The webhook.
    Webhook,
}

impl Queue {
    const fn table(self) -> &'static str {
        match self {
            Self::Function => "events",
            Self::Webhook => "webhook_events",
        }
    }

    /// Returns the receiver's name for messages.
    pub(super) const fn receiver(self) -> &'static str {
        match self {
            Self::Function => "the events function",
            Self::Webhook => "the webhook",
        }
    }
}

/// Adds an event for the events function; it is delivered at least once after the transaction commits, and never if it
/// does not.
///
/// # Errors
/// When SQLite cannot write.
pub fn enqueue(tx: &Transaction<'_>, payload: &Value) -> rusqlite::Result<()> {
    enqueue_in(tx, Queue::Function, payload)
}

/// Adds an event to a queue, like [`enqueue`].
///
/// # Errors
/// When SQLite cannot write.
pub fn enqueue_in(tx: &Transaction<'_>, queue: Queue, payload: &Value) -> rusqlite::Result<()> {
    if queue == Queue::Webhook {
        tx.execute("DELETE FROM webhook_events WHERE enqueued_at < unixepoch() - ?1", [MAX_WEBHOOK_AGE])?;
    }
    tx.execute(
        &format!("INSERT INTO {} (request_id, payload) VALUES (?1, ?2)", queue.table()),
        (uuid::Uuid::new_v4().to_string(), payload.to_string()),
    )?;
    Ok(())
}

/// A queued event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub id: i64,
    pub request_id: String,
    pub payload: Value,
    /// Failed invocations so far.
    pub attempts: u32,
    /// Unix milliseconds before which it is not delivered again.
    pub not_before: i64,
}

/// Reads the next `limit` events in the order in which they become due.
pub(super) fn next(db: &Connection, queue: Queue, limit: usize) -> rusqlite::Result<Vec<Event>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT id, request_id, payload, attempts, not_before FROM {} ORDER BY not_before, id LIMIT ?1",
        queue.table()
    ))?;
    let rows = statement.query_map([limit], Event::from_row)?;
    rows.collect()
}

/// Stores the event's count of attempts and when it may be delivered again.
pub(super) fn postpone(tx: &Transaction<'_>, queue: Queue, event: &Event, not_before: i64) -> rusqlite::Result<()> {
    tx.execute(
        &format!("UPDATE {} SET attempts = ?1, not_before = ?2 WHERE id = ?3", queue.table()),
        (event.attempts, not_before, event.id),
    )?;
    Ok(())
}

/// Removes an event from the queue.
pub(super) fn remove(tx: &Transaction<'_>, queue: Queue, event: &Event) -> rusqlite::Result<()> {
    tx.execute(&format!("DELETE FROM {} WHERE id = ?1", queue.table()), [event.id])?;
    Ok(())
}

impl Event {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let payload: String = row.get(2)?;
        Ok(Self {
            id: row.get(0)?,
            request_id: row.get(1)?,
            // A payload that was damaged after we wrote it becomes null: the handler rejects it, and it ends as a dead
            // letter.
            payload: serde_json::from_str(&payload).unwrap_or_default(),
            attempts: row.get(3)?,
            not_before: row.get(4)?,
        })
    }
}
