//! Timestamps as SQLite stores them and as AWS writes them into events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// RFC 3339 with milliseconds.
const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Returns the current time in Unix milliseconds.
pub(crate) fn now_millis() -> i64 {
    unix_millis(SystemTime::now())
}

/// Converts a time to Unix milliseconds.
pub(crate) fn unix_millis(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_millis()).unwrap_or(i64::MAX)
}

/// Converts a time to Unix nanoseconds.
pub(crate) fn unix_nanos(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_nanos()).unwrap_or(i64::MAX)
}

/// Drops the fraction of a second.
pub(crate) fn truncate_to_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(since_epoch(time).as_secs())
}

/// Formats a time like `2026-01-31T09:30:00.000Z`.
pub(crate) fn rfc3339_millis(time: SystemTime) -> String {
    // Formatting fails only when a component is missing, and a date has all of them.
    OffsetDateTime::from(time).format(MILLISECONDS).unwrap_or_default()
}

/// Formats a time like `2026-01-31T09:30:00Z`.
pub(crate) fn rfc3339_seconds(time: SystemTime) -> String {
    OffsetDateTime::from(truncate_to_seconds(time)).format(&Rfc3339).unwrap_or_default()
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
