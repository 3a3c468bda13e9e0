//! The table of Elastic Transcoder's pipelines.

use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde_json::Value;

use super::pages::Page;
use super::rows::{json, new_id};

/// The table.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS pipelines (
        number   INTEGER PRIMARY KEY AUTOINCREMENT,
        id       TEXT NOT NULL UNIQUE,
        name     TEXT NOT NULL,
        settings TEXT NOT NULL
    ) STRICT;
";

const COLUMNS: &str = "number, id, name, settings";

/// A pipeline; `settings` are fields of the JSON that clients get.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub number: i64,
    pub id: String,
    pub name: String,
    pub settings: Value,
}

impl Pipeline {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            id: row.get("id")?,
            name: row.get("name")?,
            settings: json(row, "settings")?,
        })
    }
}

/// Adds a pipeline.
pub(super) fn insert(db: &Connection, name: &str, settings: &Value, now: i64) -> rusqlite::Result<Pipeline> {
    db.query_row(
        &format!("INSERT INTO pipelines (id, name, settings) VALUES (:id, :name, :settings) RETURNING {COLUMNS}"),
        named_params! { ":id": new_id(now), ":name": name, ":settings": settings.to_string() },
        Pipeline::from_row,
    )
}

/// Updates the pipeline with this name if there is one. Names need not be unique: the oldest is updated.
pub(super) fn update(db: &Connection, name: &str, settings: &Value) -> rusqlite::Result<Option<Pipeline>> {
    db.query_row(
        &format!(
            "UPDATE pipelines SET settings = :settings
             WHERE number = (SELECT min(number) FROM pipelines WHERE name = :name)
             RETURNING {COLUMNS}"
        ),
        named_params! { ":name": name, ":settings": settings.to_string() },
        Pipeline::from_row,
    )
    .optional()
}

/// Looks up a pipeline.
pub(super) fn find(db: &Connection, id: &str) -> rusqlite::Result<Option<Pipeline>> {
    db.query_row(
        &format!("SELECT {COLUMNS} FROM pipelines WHERE id = :id"),
        named_params! { ":id": id },
        Pipeline::from_row,
    )
    .optional()
}

/// Returns a page of pipelines, and where the next page starts if there is one.
pub(super) fn list(db: &Connection, page: Page) -> rusqlite::Result<(Vec<Pipeline>, Option<i64>)> {
    let rows = db
        .prepare(&format!("SELECT {COLUMNS} FROM pipelines WHERE {}", page.sql()))?
        .query_map(named_params! { ":after": page.after, ":limit": page.rows_to_read() }, Pipeline::from_row)?
        .collect::<Result<_, _>>()?;
    Ok(page.truncate(rows, |pipeline: &Pipeline| pipeline.number))
}
