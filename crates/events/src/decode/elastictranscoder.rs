//! Elastic Transcoder's notifications: JSON in the message of an SNS record.
//!
//! See <https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/notifications.html>.

use std::collections::HashMap;

use aws_lambda_events::sns::SnsRecord;
use serde::Deserialize;
use serde_json::Value;
use video_core::TranscoderKind;
use video_core::ids::ObjectKey;
use video_core::job::{Facts, JobMetadata, JobOutput, JobResult, is_picture};
use video_core::transcoder::first_thumbnail;

use super::{JobStateChange, error_code, integer, read};

/// The notification, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    state: String,
    job_id: String,
    error_code: Option<Value>,
    message_details: Option<String>,
    input: Option<Input>,
    #[serde(default)]
    output_key_prefix: String,
    /// Read leniently: whatever is missing in them, the job has ended.
    #[serde(default)]
    outputs: Value,
    #[serde(default)]
    user_metadata: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Input {
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Undelivered {
    message: String,
}

/// Decodes an SNS record of Elastic Transcoder.
pub(super) fn decode(record: Value) -> Result<JobStateChange, String> {
    let record: SnsRecord = read(record)?;
    decode_message(&record.sns.message)
}

/// Decodes a notification alone: a dead letter of SNS, which could not deliver it.
pub(super) fn decode_notification(notification: Value) -> Result<JobStateChange, String> {
    let notification: Undelivered = read(notification)?;
    decode_message(&notification.message)
}

fn decode_message(message: &str) -> Result<JobStateChange, String> {
    let message: Value = serde_json::from_str(message).map_err(|_| "Sns.Message is no JSON".to_owned())?;
    let notification: Notification = read(message)?;
    let mut metadata = JobMetadata::read(&notification.user_metadata);
    let input = notification.input.as_ref().and_then(|input| ObjectKey::from_decoded(&input.key).ok());
    metadata.key = metadata.key.or(input);
    let result = notification.result()?;
    let transcoder = TranscoderKind::ElasticTranscoder;
    Ok(JobStateChange { transcoder, job_id: notification.job_id, metadata, result })
}

impl Notification {
    fn result(&self) -> Result<Option<JobResult>, String> {
        match self.state.as_str() {
            "PROGRESSING" => Ok(Some(JobResult::Progressing { percent: None })),
            // A warning is about something minor: the result is there.
            "COMPLETED" | "WARNING" => Ok(self.output().map(JobResult::Ready)),
            "ERROR" => Ok(Some(self.failure())),
            _ => Err("its state is not known".to_owned()),
        }
    }

    fn outputs(&self) -> impl Iterator<Item = &Value> {
        self.outputs.as_array().into_iter().flatten()
    }

    /// Returns the first output that is no picture, and its first thumbnail.
    fn output(&self) -> Option<JobOutput> {
        let mut outputs = self.outputs().filter_map(|output| Some((output, output.get("key")?.as_str()?)));
        let (output, key) = outputs.find(|(_, key)| !key.is_empty() && !is_picture(key))?;
        let pattern = output.get("thumbnailPattern").and_then(Value::as_str);
        Some(JobOutput {
            key: format!("{}{key}", self.output_key_prefix),
            poster: pattern.and_then(|pattern| first_thumbnail(&self.output_key_prefix, pattern)),
            facts: facts(output),
        })
    }

    fn failure(&self) -> JobResult {
        let of_output = |field: &str| self.outputs().find_map(|output| output.get(field));
        let detail = of_output("statusDetail").and_then(Value::as_str).or(self.message_details.as_deref());
        let code = self.error_code.as_ref().or_else(|| of_output("errorCode"));
        JobResult::failed(TranscoderKind::ElasticTranscoder, code.and_then(error_code).as_deref(), detail)
    }
}

fn facts(output: &Value) -> Facts {
    let millis = integer(output, "duration").map(|seconds| seconds.saturating_mul(1000));
    Facts::of(millis, integer(output, "width"), integer(output, "height"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sns(change: impl FnOnce(&mut Value)) -> Result<JobStateChange, String> {
        let mut event: Value =
            serde_json::from_str(include_str!("../../fixtures/elastictranscoder_completed.json")).unwrap();
        let record = &mut event["Records"][0];
        let mut message: Value = serde_json::from_str(record["Sns"]["Message"].as_str().unwrap()).unwrap();
        change(&mut message);
        record["Sns"]["Message"] = json!(message.to_string());
        decode(record.take())
    }

    #[test]
    fn elastic_transcoders_result_is_prefix_and_key() {
        for state in ["COMPLETED", "WARNING"] {
            let changed = sns(|message| message["state"] = json!(state)).unwrap();
            assert_eq!(changed.result, Some(ready()));
            assert_eq!(changed.metadata.key.unwrap().as_str(), "Alba/0/c5e866594d810c0c3e1f.webm");
        }
    }

    fn ready() -> JobResult {
        let name = "output/web/Alba/0/c5e866594d810c0c3e1f";
        JobResult::Ready(JobOutput {
            key: format!("{name}.webm"),
            poster: Some(format!("{name}/0055AED6DCD90281E50000000000000000000000-poster-00001.png")),
            facts: Facts { duration: Some(3), width: Some(1280), height: Some(720), truncated: false },
        })
    }

    #[test]
    fn the_result_is_told_from_pictures_wherever_it_stands() {
        for at in [0, 1] {
            let changed = sns(|message| {
                message["outputs"].as_array_mut().unwrap().insert(at, json!({ "key": "web/x.png" }));
            });
            assert_eq!(changed.unwrap().result, Some(ready()), "a picture at {at}");
        }
    }

    #[test]
    fn a_result_without_a_poster_or_with_impossible_facts_is_ready() {
        for (field, value) in [("thumbnailPattern", json!("")), ("thumbnailPattern", json!("x")), ("width", json!(-1))]
        {
            let changed = sns(|message| {
                message["outputs"][0]["duration"] = json!(i64::MAX);
                message["outputs"][0][field] = value;
            });
            let Some(JobResult::Ready(output)) = changed.unwrap().result else { panic!("{field}") };
            assert_eq!(output.poster.is_none(), field == "thumbnailPattern");
            assert_eq!((output.facts.width.is_none(), output.facts.duration), (field == "width", None));
        }
    }

    #[test]
    fn a_job_is_complete_although_its_notification_names_no_result() {
        for outputs in [json!(null), json!([]), json!("x"), json!([{}, 7, { "key": "" }, { "key": "x.jpg" }])] {
            assert_eq!(sns(|message| message["outputs"] = outputs).unwrap().result, None);
        }
    }

    #[test]
    fn elastic_transcoders_error_code_is_a_number_or_text() {
        for (code, expected) in [(json!(4000), "4000"), (json!("4000"), "4000")] {
            let changed = sns(|message| {
                message["state"] = json!("ERROR");
                message["errorCode"] = code;
                message["outputs"][0]["statusDetail"] = json!("4000 bad input");
            });
            let reason = format!("Elastic Transcoder error {expected}: 4000 bad input");
            assert_eq!(changed.unwrap().result, Some(JobResult::Failed { reason }));
        }
    }

    #[test]
    fn a_key_too_long_for_metadata_comes_from_the_input() {
        let changed = sns(|message| {
            message["userMetadata"].as_object_mut().unwrap().remove("key");
            message["input"]["key"] = json!("a long name.mp4");
        });
        assert_eq!(changed.unwrap().metadata.key.unwrap().as_str(), "a long name.mp4");
    }

    #[test]
    fn an_unknown_state_is_malformed() {
        assert!(sns(|message| message["state"] = json!("SLEEPING")).is_err());
    }
}
