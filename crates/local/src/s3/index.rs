//! The index: the tables of buckets, objects and multipart uploads, and how their rows are read.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::error::{Result, StoreError};
use super::object::{Attributes, Object};

/// The tables. Times are Unix milliseconds; `file` is a name in the store's directory, never derived from the key.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS buckets (
        name TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS objects (
        bucket TEXT NOT NULL REFERENCES buckets (name),
        key TEXT NOT NULL,
        file TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        last_modified INTEGER NOT NULL,
        sequencer TEXT NOT NULL,
        attributes TEXT NOT NULL,
        PRIMARY KEY (bucket, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS uploads (
        id TEXT PRIMARY KEY,
        bucket TEXT NOT NULL REFERENCES buckets (name),
        key TEXT NOT NULL,
        attributes TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS parts (
        upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        file TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        last_modified INTEGER NOT NULL,
        PRIMARY KEY (upload, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sequencer (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        last INTEGER NOT NULL
    ) STRICT;
";

/// The columns that [`object`] reads, in its order.
pub(super) const OBJECT_COLUMNS: &str = "file, size, etag, last_modified, sequencer, attributes";

/// Returns an error unless the bucket exists.
pub(super) fn require_bucket(index: &Connection, bucket: &str) -> Result<()> {
    let exists: bool = index
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM buckets WHERE name = ?1)")?
        .query_row([bucket], |row| row.get(0))?;
    if exists { Ok(()) } else { Err(StoreError::NoSuchBucket(bucket.to_owned())) }
}

/// Looks up an object; `dir` is the store's directory.
pub(super) fn find_object(index: &Connection, dir: &Path, bucket: &str, key: &str) -> Result<Option<Object>> {
    let mut statement =
        index.prepare_cached(&format!("SELECT {OBJECT_COLUMNS} FROM objects WHERE bucket = ?1 AND key = ?2"))?;
    Ok(statement.query_row((bucket, key), |row| object(row, dir)).optional()?)
}

/// Reads the [`OBJECT_COLUMNS`].
pub(super) fn object(row: &Row<'_>, dir: &Path) -> rusqlite::Result<Object> {
    Ok(Object {
        path: dir.join(row.get::<_, String>(0)?),
        size: row.get(1)?,
        etag: row.get(2)?,
        last_modified: time(row, 3)?,
        sequencer: row.get(4)?,
        attributes: attributes(row, 5)?,
    })
}

/// Reads a column of Unix milliseconds.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<SystemTime> {
    Ok(UNIX_EPOCH + Duration::from_millis(row.get(column)?))
}

/// Reads a column of attributes as JSON.
pub(super) fn attributes(row: &Row<'_>, column: usize) -> rusqlite::Result<Attributes> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// Writes attributes as JSON for a column.
pub(super) fn attributes_json(attributes: &Attributes) -> rusqlite::Result<String> {
    serde_json::to_string(attributes).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Returns the names of all files that objects and parts own.
pub(super) fn known_files(index: &Connection) -> Result<HashSet<String>> {
    let mut statement = index.prepare("SELECT file FROM objects UNION ALL SELECT file FROM parts")?;
    let files = statement.query_map([], |row| row.get(0))?;
    Ok(files.collect::<rusqlite::Result<_>>()?)
}
