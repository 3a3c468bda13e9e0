//! How much of its input a job reads.

use std::time::Duration;

use serde_json::Value;
use video_core::TranscoderKind;

use super::jobs::Job;

/// Returns how much of its input a job reads; `None` reads all of it.
pub(super) fn clip(job: &Job) -> Option<Duration> {
    let text = |pointer| job.request.pointer(pointer).and_then(Value::as_str);
    match job.service {
        TranscoderKind::ElasticTranscoder => text("/Input/TimeSpan/Duration").and_then(seconds),
        TranscoderKind::MediaConvert => text("/settings/inputs/0/inputClippings/0/endTimecode").and_then(timecode),
    }
}

/// Reads a time as Elastic Transcoder writes it: `HH:mm:ss.SSS` or `sssss.SSS`.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let parts: Vec<_> = text.split(':').collect();
    let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit()) && !part.contains(['e', 'E']);
    if parts.len() > 3 || !parts.iter().all(|part| is_number(part)) {
        return None;
    }
    let total = parts.iter().try_fold(0.0, |total, part| Some(total * 60.0 + part.parse::<f64>().ok()?))?;
    Duration::try_from_secs_f64(total).ok().filter(|total| *total < Duration::from_hours(24))
}

/// Reads a timecode of MediaConvert, `HH:MM:SS:FF`, as far as its seconds.
pub(super) fn timecode(text: &str) -> Option<Duration> {
    let parts: Option<Vec<u64>> = text
        .split([':', ';'])
        .map(|part| part.parse().ok().filter(|_| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())))
        .collect();
    match parts?.as_slice() {
        &[hours @ 0..=24, minutes @ 0..=59, seconds @ 0..=59, _] => {
            Some(Duration::from_secs((hours * 60 + minutes) * 60 + seconds))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_both_services() {
        let millis = |time: Option<Duration>| time.map(|time| time.as_millis());
        for (text, expected) in [
            ("3601.000", Some(3_601_000)),
            ("00:01:01.5", Some(61_500)),
            ("86400", None),
            ("1e3", None),
            ("-1", None),
            ("inf", None),
            ("1:2:3:4", None),
            ("", None),
        ] {
            assert_eq!(millis(seconds(text)), expected, "{text}");
        }
        for (text, expected) in [
            ("01:01:01:00", Some(3_661_000)),
            ("00:00:05;12", Some(5000)),
            ("00:60:00:00", None),
            ("1:00:00:00", None),
            ("00:00:05", None),
        ] {
            assert_eq!(millis(timecode(text)), expected, "{text}");
        }
    }
}
