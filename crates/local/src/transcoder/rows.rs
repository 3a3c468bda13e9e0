//! Columns of rows that hold something other than SQLite's own types, and the IDs that both services give to rows.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// Reads a column of text that parses as `T`.
pub(super) fn parsed<T: FromStr<Err: Display>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| invalid(column, &error))
}

/// Reads a column of JSON; NULL reads as JSON's null.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: Option<String> = row.get(column)?;
    serde_json::from_str(text.as_deref().unwrap_or("null")).map_err(|error| invalid(column, &error))
}

/// Returns a new ID as both services create them: `1515368087458-qnoxtd`.
pub(super) fn new_id(now: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut random = Uuid::new_v4().as_u128();
    let suffix = std::iter::repeat_with(|| {
        let digit = DIGITS.iter().copied().nth((random % 36) as usize).unwrap_or(b'0');
        random /= 36;
        char::from(digit)
    });
    format!("{now}-{}", suffix.take(6).collect::<String>())
}

fn invalid(column: &str, reason: &dyn Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("column {column}: {reason}").into())
}
