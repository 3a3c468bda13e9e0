//! S3's notifications of new objects.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.

use std::time::SystemTime;

use aws_lambda_events::s3::S3EventRecord;
use serde_json::{Value, json};
use video_core::ids::{ObjectKey, Sequencer, ValidationError};
use video_core::time::epoch_seconds;
use video_core::upload::Upload;

use super::{Uploaded, read};

/// The last second of the year 9999, behind which RFC 3339 has no times.
const MAX_TIMESTAMP: i64 = 253_402_300_799;

/// Decodes one record of a notification; `None` when it is about no new video.
pub(super) fn decode(record: Value) -> Result<Option<Uploaded>, String> {
    let record: S3EventRecord = read(with_unused_fields(record))?;
    let created = |name: &str| name.trim_start_matches("s3:").starts_with("ObjectCreated:");
    if !record.event_name.as_deref().is_some_and(created) {
        return Ok(None);
    }
    let object = record.s3.object;
    let key = object.key.ok_or("missing field `key` at s3.object")?;
    let key = ObjectKey::from_event(&key).map_err(|error| error.to_string())?;
    if !key.is_video() {
        tracing::info!(video.key = %key, "the object is no video");
        return Ok(None);
    }
    if !(0..=MAX_TIMESTAMP).contains(&record.event_time.timestamp()) {
        return Err("eventTime must be between 1970 and 9999".to_owned());
    }
    let uploaded_at = SystemTime::from(record.event_time);
    let sequencer = object.sequencer.map_or_else(|| sequencer_of_time(uploaded_at), |text| text.parse());
    let upload = Upload {
        key,
        sequencer: sequencer.map_err(|error| error.to_string())?,
        size: u64::try_from(object.size.unwrap_or_default()).map_err(|_| "s3.object.size must not be negative")?,
        uploaded_at,
    };
    Ok(Some(Uploaded { bucket: record.s3.bucket.name.ok_or("missing field `name` at s3.bucket")?, upload }))
}

/// Adds what the type requires, what nothing here needs, and what minimal stores leave out.
fn with_unused_fields(mut record: Value) -> Value {
    if let Some(fields) = record.as_object_mut() {
        for name in ["userIdentity", "requestParameters"] {
            fields.entry(name).or_insert_with(|| json!({}));
        }
    }
    record
}

/// Orders by time the uploads of stores that speak S3 but do not number them.
fn sequencer_of_time(time: SystemTime) -> Result<Sequencer, ValidationError> {
    let nanoseconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    format!("{:010X}{nanoseconds:08X}", epoch_seconds(time)).parse()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(change: impl FnOnce(&mut Value)) -> Result<Option<Uploaded>, String> {
        let mut event: Value = serde_json::from_str(include_str!("../../fixtures/s3_object_created.json")).unwrap();
        let mut record = event["Records"][0].take();
        change(&mut record);
        decode(record)
    }

    #[test]
    fn a_notification_says_what_was_uploaded() {
        let Uploaded { bucket, upload } = record(|_| ()).unwrap().unwrap();
        assert_eq!(bucket, "media");
        assert_eq!(upload.key.as_str(), "Alba/0/c5e866594d810c0c3e1f.webm");
        assert_eq!(upload.size, 1_048_576);
        assert!(upload.sequencer.as_str().starts_with("0055AED6DCD90281E5"));
    }

    #[test]
    fn what_is_no_new_video_is_skipped() {
        assert!(record(|r| r["eventName"] = json!("ObjectRemoved:Delete")).unwrap().is_none());
        assert!(record(|r| r["s3"]["object"]["key"] = json!("notes.txt")).unwrap().is_none());
    }

    #[test]
    fn a_record_that_no_s3_writes_is_malformed() {
        for (path, value) in [
            ("key", json!("%ff.mp4")),
            ("key", json!("")),
            ("sequencer", json!("soon")),
            ("size", json!(-1)),
            ("key", json!(1)),
        ] {
            assert!(record(|r| r["s3"]["object"][path] = value).is_err(), "{path}");
        }
        assert!(record(|r| r["eventTime"] = json!("yesterday")).is_err());
    }

    #[test]
    fn without_a_sequencer_time_decides() {
        let at = |time: &str| {
            let uploaded = record(|r| {
                r["eventTime"] = json!(time);
                r["s3"]["object"].as_object_mut().unwrap().remove("sequencer");
            });
            uploaded.unwrap().unwrap().upload.sequencer
        };
        assert!(at("2026-11-24T03:00:00.001Z") > at("2026-11-24T03:00:00.000Z"));
        assert!(at("2026-11-24T03:00:01.000Z") > at("2026-11-24T03:00:00.999Z"));
    }

    #[test]
    fn a_record_without_who_and_from_where_is_good() {
        let uploaded = record(|r| {
            r.as_object_mut().unwrap().remove("userIdentity");
            r.as_object_mut().unwrap().remove("requestParameters");
        });
        assert_eq!(uploaded.unwrap().unwrap().upload.size, 1_048_576);
    }
}
