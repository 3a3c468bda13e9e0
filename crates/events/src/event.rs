//! Tells the events of one function apart by their shape: S3 notifications, Elastic Transcoder's through SNS, MediaConvert's through
//! EventBridge, the schedule of the sweep, and Lambda's own record of a failed invocation, so that a dead letter can be sent in again as it is.

use serde_json::Value;

use crate::{job, s3};

/// One thing to work on.
#[derive(Debug)]
pub enum Message {
    /// A video lies in the media bucket.
    Upload(s3::Uploaded),
    /// A job changed its state.
    Job(job::Changed),
    /// The schedule says that it is time to look for videos that hang.
    Sweep,
}

/// A dead letter of a dead letter is still unpacked; deeper nesting is nobody's doing.
const DEEPEST_ENVELOPE: usize = 4;

/// The messages of an event; what cannot be understood is logged and left out.
pub fn messages(event: Value) -> Vec<Message> {
    let event = unwrap_envelope(event);
    if event["Event"] == "s3:TestEvent" {
        tracing::info!("S3 tested the notification");
        return Vec::new();
    }
    if event["source"] == "video-events" && event["detail-type"] == "Sweep" {
        return vec![Message::Sweep];
    }
    if event["source"] == "aws.mediaconvert" {
        return understood("MediaConvert event", job::from_mediaconvert(event)).map(Message::Job).into_iter().collect();
    }
    let Value::Object(mut event) = event else {
        return understood("event", Err("it is no JSON object".to_owned())).into_iter().collect();
    };
    match event.remove("Records") {
        Some(Value::Array(records)) => records.into_iter().filter_map(record).collect(),
        _ => understood("event", Err("it has neither Records nor a known source".to_owned())).into_iter().collect(),
    }
}

fn record(record: Value) -> Option<Message> {
    if record["eventSource"] == "aws:s3" {
        understood("S3 record", s3::from_record(record)).flatten().map(Message::Upload)
    } else if record["EventSource"] == "aws:sns" {
        understood("SNS record", job::from_sns(&record)).map(Message::Job)
    } else {
        understood("record", Err("its event source is not known".to_owned()))
    }
}

/// Lambda wraps an event that failed for good with what it knows of the failure.
/// See <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.
fn unwrap_envelope(mut event: Value) -> Value {
    for _ in 0..DEEPEST_ENVELOPE {
        match event.get_mut("requestPayload") {
            Some(inner) => event = inner.take(),
            None => break,
        }
    }
    event
}

/// Drops what cannot be understood: Lambda would only bring it back.
fn understood<T>(what: &str, message: Result<T, String>) -> Option<T> {
    let warn = |reason: &String| {
        tracing::warn!(event.poison = true, reason = without_values(reason), "a {what} is dropped");
    };
    message.inspect_err(warn).ok()
}

/// The parser's reason quotes the value that it did not expect: anything at all, of any size, has no place in the log.
fn without_values(reason: &str) -> String {
    match reason.split_once('"').zip(reason.rsplit_once('"')) {
        Some(((before, _), (_, after))) => format!("{before}..{after}"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fixture(name: &str) -> Value {
        let text = match name {
            "s3" => include_str!("../fixtures/s3_object_created.json"),
            "s3_test" => include_str!("../fixtures/s3_test_event.json"),
            "sns" => include_str!("../fixtures/elastictranscoder_completed.json"),
            _ => include_str!("../fixtures/mediaconvert_complete.json"),
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
    fn a_dead_letter_is_unpacked() {
        let letter = |payload| json!({ "version": "1.0", "requestContext": { "condition": "RetriesExhausted" }, "requestPayload": payload });
        assert_eq!(messages(letter(letter(fixture("s3")))).len(), 1);
    }

    #[test]
    fn a_reason_is_logged_without_the_value_that_it_quotes() {
        for value in ["canary", "a \" canary \" b", ""] {
            let error = serde_json::from_value::<u64>(json!(value)).unwrap_err().to_string();
            assert_eq!(without_values(&error), "invalid type: string .., expected u64");
        }
        assert_eq!(without_values("missing field `s3`"), "missing field `s3`");
    }

    #[test]
    fn poison_is_dropped_and_good_records_beside_it_are_kept() {
        let mut event = fixture("s3");
        let good = event["Records"][0].clone();
        let long = "x".repeat(1 << 20);
        event["Records"] = json!([
            null, 7, "text", [], {}, { "eventSource": "aws:s3" }, { "eventSource": 3 }, { "eventSource": long }, { "EventSource": "aws:sns" },
            { "EventSource": "aws:sns", "Sns": { "Message": "not JSON" } }, { "EventSource": "aws:sns", "Sns": { "Message": "{}" } }, good,
        ]);
        assert_eq!(messages(event).len(), 1);
        for poison in [
            json!(null),
            json!([]),
            json!("x"),
            json!({}),
            json!({ "Records": 1 }),
            json!({ "source": "aws.mediaconvert" }),
        ] {
            assert!(messages(poison).is_empty());
        }
    }
}
