//! The queue's table: events that were not handled yet.

use rusqlite::{Connection, Row, Transaction};
use serde_json::Value;

/// The table; times are Unix milliseconds.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request_id TEXT NOT NULL,
        payload TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS events_by_time ON events (not_before, id);
";

/// Adds an event to the queue; it is delivered at least once after the transaction commits, and never if it does not.
///
/// # Errors
/// When SQLite cannot write.
pub fn enqueue(tx: &Transaction<'_>, payload: &Value) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO events (request_id, payload) VALUES (?1, ?2)",
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
pub(super) fn next(queue: &Connection, limit: usize) -> rusqlite::Result<Vec<Event>> {
    let mut statement = queue.prepare_cached(
        "SELECT id, request_id, payload, attempts, not_before FROM events ORDER BY not_before, id LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], Event::from_row)?;
    rows.collect()
}

/// Stores the event's count of attempts and when it may be delivered again.
pub(super) fn postpone(tx: &Transaction<'_>, event: &Event, not_before: i64) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE events SET attempts = ?1, not_before = ?2 WHERE id = ?3",
        (event.attempts, not_before, event.id),
    )?;
    Ok(())
}

/// Removes an event from the queue.
pub(super) fn remove(tx: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM events WHERE id = ?1", [event.id])?;
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
