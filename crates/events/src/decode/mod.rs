//! Tells the events of one function apart by their shape: S3 notifications, Elastic Transcoder's through SNS,
//! MediaConvert's through EventBridge, the schedule of the sweep, and Lambda's own record of a failed invocation, so
//! that a dead letter can be redriven as it is.
//!
//! Each record is decoded by itself, so that a malformed one spoils nothing.

mod elastictranscoder;
mod mediaconvert;
mod s3;
#[cfg(test)]
mod samples;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_core::event_bus::{self, Detail, EventType};
use video_core::ids::ObjectKey;
use video_core::job::{JobMetadata, JobResult};
use video_core::metrics::{self, Metric};
use video_core::upload::Upload;

/// One thing to work on.
#[derive(Debug)]
pub enum Message {
    /// A video was uploaded.
    Upload(Uploaded),
    /// A job changed its state.
    Job(JobStateChange),
    /// The API asks for a retry or an erasure of the record of this key.
    Request(ObjectKey),
    /// The schedule of the sweep.
    Sweep,
    /// An operator completes old records, from this segment of the table on.
    Backfill {
        /// The segment, from 0 on.
        segment: u16,
    },
}

/// A video that S3 has received.
#[derive(Debug)]
pub struct Uploaded {
    /// The bucket that it was uploaded to.
    pub bucket: String,
    /// What is known of it.
    pub upload: Upload,
}

/// A job that changed its state.
#[derive(Debug)]
pub struct JobStateChange {
    /// The transcoder that has the job.
    pub transcoder: TranscoderKind,
    /// The transcoder's ID of the job.
    pub job_id: String,
    /// What the job was submitted with.
    pub metadata: JobMetadata,
    /// How far the job is; `None` when it is complete and the event does not name the result.
    pub result: Option<JobResult>,
}

/// A dead letter of a dead letter is still unwrapped; deeper nesting occurs nowhere.
const MAX_ENVELOPES: usize = 4;

/// Returns the messages of an event; what is malformed is logged and left out.
pub fn messages(event: Value) -> Vec<Message> {
    let mut event = unwrap_envelope(event);
    if event["Event"] == "s3:TestEvent" {
        tracing::info!("S3 tested the notification");
        return Vec::new();
    }
    // A sweep has no `detail`, which every other event of EventBridge has.
    if event["source"] == "video-events" && event["detail-type"] == "Sweep" {
        return vec![Message::Sweep];
    }
    if event["source"] == "video-events" && event["detail-type"] == "Backfill" {
        return ok_or_warn("backfill", backfill(event)).into_iter().collect();
    }
    if event["source"] == event_bus::SOURCE {
        return ok_or_warn("request", request(event)).into_iter().collect();
    }
    if event["source"] == "aws.mediaconvert" {
        return ok_or_warn("MediaConvert event", mediaconvert::decode(event)).map(Message::Job).into_iter().collect();
    }
    if event["Type"] == "Notification" {
        let change = elastictranscoder::decode_notification(event);
        return ok_or_warn("SNS notification", change).map(Message::Job).into_iter().collect();
    }
    match event.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => records.into_iter().filter_map(record).collect(),
        _ => ok_or_warn("event", Err("it has neither Records nor a known source".to_owned())).into_iter().collect(),
    }
}

/// Decodes what the API put on the event bus.
fn request(event: Value) -> Result<Message, String> {
    let event: EventBridgeEvent<Detail> = read(event)?;
    let requests = [EventType::RetryRequested, EventType::EraseRequested];
    if !requests.iter().any(|request| request.as_str() == event.detail_type) {
        return Err("its detail-type is no request".to_owned());
    }
    let key = ObjectKey::from_decoded(&event.detail.video);
    key.map(Message::Request).map_err(|error| error.to_string())
}

fn backfill(mut event: Value) -> Result<Message, String> {
    #[derive(serde::Deserialize)]
    struct Slice {
        #[serde(default)]
        segment: u16,
    }
    let slice: Slice = read(event.get_mut("detail").map_or_else(|| json!({}), Value::take))?;
    Ok(Message::Backfill { segment: slice.segment })
}

fn record(record: Value) -> Option<Message> {
    if record["eventSource"] == "aws:s3" {
        ok_or_warn("S3 record", s3::decode(record)).flatten().map(Message::Upload)
    } else if record["EventSource"] == "aws:sns" {
        ok_or_warn("SNS record", elastictranscoder::decode(record)).map(Message::Job)
    } else {
        ok_or_warn("record", Err("its event source is not known".to_owned()))
    }
}

/// Unwraps an event that Lambda's retries could not save: Lambda adds what it knows of the failure.
/// See <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.
fn unwrap_envelope(mut event: Value) -> Value {
    for _ in 0..MAX_ENVELOPES {
        match event.get_mut("requestPayload") {
            Some(inner) => event = inner.take(),
            None => break,
        }
    }
    event
}

/// Logs and drops what is malformed: as an error, Lambda would only bring it back.
fn ok_or_warn<T>(what: &str, message: Result<T, String>) -> Option<T> {
    let dropped = |reason: &String| {
        metrics::count(Metric::Malformed);
        tracing::warn!(event.malformed = true, reason, "a {what} is dropped");
    };
    message.inspect_err(dropped).ok()
}

/// Returns a number of a result; what is there and no whole number is logged.
fn integer(object: &Value, field: &str) -> Option<i64> {
    let value = object.get(field).filter(|value| !value.is_null())?;
    if value.as_i64().is_none() {
        tracing::warn!(event.malformed = true, field, "a fact of a result is no whole number");
    }
    value.as_i64()
}

/// Returns an error code, which comes as text or as a number.
fn error_code(code: &Value) -> Option<String> {
    match code {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads a value into a type; the error names the path of the field that does not fit, and never its value, which may
/// be anything.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let reason = error.inner().to_string();
        // Of the parser's reasons, this one alone quotes nothing of the input.
        let reason = if reason.starts_with("missing field") { &reason } else { "unexpected value" };
        format!("{reason} at {}", error.path())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fixture(name: &str) -> Value {
        let text = match name {
            "s3" => include_str!("../../fixtures/s3_object_created.json"),
            "s3_test" => include_str!("../../fixtures/s3_test_event.json"),
            "sns" => include_str!("../../fixtures/elastictranscoder_completed.json"),
            _ => include_str!("../../fixtures/mediaconvert_complete.json"),
        };
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_source_is_told_by_its_shape() {
        assert!(matches!(messages(fixture("s3"))[..], [Message::Upload(_)]));
        assert!(matches!(messages(fixture("sns"))[..], [Message::Job(_)]));
        assert!(matches!(messages(fixture("mediaconvert"))[..], [Message::Job(_)]));
        assert!(messages(fixture("s3_test")).is_empty());
    }

    #[test]
    fn a_reason_names_the_field_and_never_its_value() {
        let path = |change: fn(&mut Value)| {
            let mut event = fixture("mediaconvert");
            change(&mut event["detail"]);
            mediaconvert::decode(event).unwrap_err()
        };
        assert_eq!(path(|detail| detail["jobId"] = json!(7)), "unexpected value at detail.jobId");
        assert_eq!(path(|detail| detail["userMetadata"] = json!("canary")), "unexpected value at detail.userMetadata");
        let without_id = path(|detail| drop(detail.as_object_mut().unwrap().remove("jobId")));
        assert_eq!(without_id, "missing field `jobId` at detail");
    }

    #[test]
    fn a_request_and_a_backfill_are_told_by_their_detail_type() {
        let event = |source: &str, detail_type: &str, detail: Value| {
            messages(json!({ "source": source, "detail-type": detail_type, "detail": detail }))
        };
        let detail = json!({ "project": "Alba", "step": "0", "video": "Alba/0/x.webm" });
        for request in ["Video Retry Requested", "Video Erase Requested"] {
            assert!(matches!(&event("video", request, detail.clone())[..], [Message::Request(_)]), "{request}");
        }
        assert!(event("video", "Video Ready", detail).is_empty(), "the function's own announcement");
        assert!(event("video", "Video Retry Requested", json!({ "video": 7 })).is_empty());
        let without_key = json!({ "project": "Alba", "step": "0", "video": "" });
        assert!(event("video", "Video Retry Requested", without_key).is_empty());
        let from = |detail| event("video-events", "Backfill", detail);
        assert!(matches!(from(json!({ "segment": 7 }))[..], [Message::Backfill { segment: 7 }]));
        assert!(matches!(from(json!({}))[..], [Message::Backfill { segment: 0 }]));
        assert!(from(json!({ "segment": "x" })).is_empty());
    }

    #[test]
    fn a_dead_letter_is_unpacked() {
        let context = json!({ "condition": "RetriesExhausted" });
        let letter =
            |payload| json!({ "version": "1.0", "requestContext": context.clone(), "requestPayload": payload });
        assert_eq!(messages(letter(letter(fixture("s3")))).len(), 1);
    }

    #[test]
    fn malformed_records_are_dropped_and_good_records_beside_it_are_kept() {
        let mut event = fixture("s3");
        let good = event["Records"][0].clone();
        let long = "x".repeat(1 << 20);
        event["Records"] = json!([
            null, 7, "text", [], {},
            { "eventSource": "aws:s3" }, { "eventSource": 3 }, { "eventSource": long }, { "EventSource": "aws:sns" },
            { "EventSource": "aws:sns", "Sns": { "Message": "not JSON" } },
            { "EventSource": "aws:sns", "Sns": { "Message": "{}" } },
            good,
        ]);
        assert_eq!(messages(event).len(), 1);
        for malformed in [
            json!(null),
            json!([]),
            json!("x"),
            json!({}),
            json!({ "Records": 1 }),
            json!({ "source": "aws.mediaconvert" }),
        ] {
            assert!(messages(malformed).is_empty());
        }
    }
}
