//! Instants as the wire formats want them: RFC 3339 in records, the compact ISO 8601 form in signatures.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// Writes an instant as `2026-11-24T03:00:00Z` (RFC 3339, UTC, whole seconds).
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let whole_seconds = DateTime::from_secs(epoch_seconds(time).cast_signed());
    whole_seconds.fmt(Format::DateTime).unwrap_or_default()
}

/// Writes an instant as `2026-11-24T03:00:00.123Z` (RFC 3339, UTC, always three digits, so that texts compare as
/// times).
#[must_use]
pub fn rfc3339_millis(time: SystemTime) -> String {
    let whole_seconds = rfc3339(time);
    format!("{}.{:03}Z", whole_seconds.trim_end_matches('Z'), epoch_millis(time) % 1000)
}

/// Writes the day of an instant as `2026-11-24`, in UTC.
#[must_use]
pub fn date(time: SystemTime) -> String {
    rfc3339(time).chars().take("2026-11-24".len()).collect()
}

/// Writes an instant as `20261124T030000Z`, as SigV4 writes `x-amz-date`.
#[must_use]
pub fn amz_date(time: SystemTime) -> String {
    rfc3339(time).replace(['-', ':'], "")
}

/// Returns whole seconds since 1970; 0 for anything earlier.
#[must_use]
pub fn epoch_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Returns milliseconds since 1970; 0 for anything earlier.
#[must_use]
pub fn epoch_millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// Reads an RFC 3339 instant; fractions of a second are kept.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let time = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    let seconds = u64::try_from(time.secs()).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_each_form() {
        let time = parse_rfc3339("2026-02-28T23:59:30.789Z").unwrap();
        assert_eq!(rfc3339(time), "2026-02-28T23:59:30Z");
        assert_eq!(rfc3339_millis(time), "2026-02-28T23:59:30.789Z");
        assert_eq!(rfc3339_millis(UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        assert_eq!(date(time), "2026-02-28");
        assert_eq!(amz_date(time), "20260228T235930Z");
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
