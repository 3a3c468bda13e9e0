//! The events that S3, SNS, EventBridge and the schedule send to the events function, made from the fixtures of its
//! crate.

use std::time::SystemTime;

use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_core::event_bus::{Detail, EventType, SOURCE};
use video_core::ids::ObjectKey;
use video_core::time::rfc3339;

use crate::TestSystem;

/// Returns the fixture of S3's event.
pub fn s3_object_created() -> Value {
    parse(include_str!("../../crates/events/fixtures/s3_object_created.json"))
}

/// Returns what S3 sends once, when notifications are configured.
pub fn s3_test_event() -> Value {
    parse(include_str!("../../crates/events/fixtures/s3_test_event.json"))
}

/// Returns the fixture of the SNS event with Elastic Transcoder's notification.
pub fn elastic_transcoder_completed() -> Value {
    parse(include_str!("../../crates/events/fixtures/elastictranscoder_completed.json"))
}

/// Returns the fixture of MediaConvert's event on EventBridge.
pub fn mediaconvert_complete() -> Value {
    parse(include_str!("../../crates/events/fixtures/mediaconvert_complete.json"))
}

/// Returns the event that the schedule sends.
pub fn sweep() -> Value {
    json!({ "source": "video-events", "detail-type": "Sweep" })
}

/// Returns the event with which the API asks for a retry or an erasure.
pub fn requested(event_type: EventType, key: &ObjectKey) -> Value {
    json!({ "source": SOURCE, "detail-type": event_type.as_str(), "detail": Detail::of_key(key) })
}

/// What a transcoder reports about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    Progressing,
    Complete,
    Error,
}

/// Returns the event with which a transcoder reports that a job has changed its state.
pub fn job_state_change(kind: TranscoderKind, job_id: &str, metadata: &Value, state: JobState) -> Value {
    match kind {
        TranscoderKind::ElasticTranscoder => elastic_transcoder_event(job_id, metadata, state),
        TranscoderKind::MediaConvert => mediaconvert_event(job_id, metadata, state),
    }
}

fn elastic_transcoder_event(job_id: &str, metadata: &Value, state: JobState) -> Value {
    let mut event = elastic_transcoder_completed();
    let sns = &mut event["Records"][0]["Sns"];
    let mut message = parse(sns["Message"].as_str().unwrap());
    message["state"] = json!(match state {
        JobState::Progressing => "PROGRESSING",
        JobState::Complete => "COMPLETED",
        JobState::Error => "ERROR",
    });
    message["jobId"] = json!(job_id);
    message["userMetadata"] = metadata.clone();
    sns["Message"] = json!(message.to_string());
    event
}

fn mediaconvert_event(job_id: &str, metadata: &Value, state: JobState) -> Value {
    let mut event = mediaconvert_complete();
    let detail = &mut event["detail"];
    detail["status"] = json!(match state {
        JobState::Progressing => "PROGRESSING",
        JobState::Complete => "COMPLETE",
        JobState::Error => "ERROR",
    });
    detail["jobId"] = json!(job_id);
    detail["userMetadata"] = metadata.clone();
    event
}

/// Names the result in the event of a job that is complete.
pub fn set_output(kind: TranscoderKind, event: &mut Value, bucket: &str, output: &str) {
    match kind {
        TranscoderKind::ElasticTranscoder => {
            let sns = &mut event["Records"][0]["Sns"];
            let mut message = parse(sns["Message"].as_str().unwrap());
            message["outputKeyPrefix"] = json!("output/");
            message["outputs"][0]["key"] = json!(output.strip_prefix("output/").unwrap());
            sns["Message"] = json!(message.to_string());
        }
        TranscoderKind::MediaConvert => {
            let path = format!("s3://{bucket}/{output}");
            event["detail"]["outputGroupDetails"][0]["outputDetails"][0]["outputFilePaths"] = json!([path]);
        }
    }
}

/// Takes the names of the results out of the event of a job that is complete.
pub fn remove_outputs(kind: TranscoderKind, event: &mut Value) {
    match kind {
        TranscoderKind::ElasticTranscoder => {
            let sns = &mut event["Records"][0]["Sns"];
            let mut message = parse(sns["Message"].as_str().unwrap());
            message["outputs"][0].as_object_mut().unwrap().remove("key");
            sns["Message"] = json!(message.to_string());
        }
        TranscoderKind::MediaConvert => {
            let output = &mut event["detail"]["outputGroupDetails"][0]["outputDetails"][0];
            output.as_object_mut().unwrap().remove("outputFilePaths");
        }
    }
}

impl TestSystem {
    /// Returns the event that S3 sends for an object in the media bucket, uploaded just now.
    pub fn object_created(&self, key: &str, sequencer: &str) -> Value {
        let mut event = s3_object_created();
        let record = &mut event["Records"][0];
        record["eventTime"] = json!(rfc3339(SystemTime::now()));
        record["s3"]["bucket"]["name"] = json!(self.at.media_bucket);
        record["s3"]["object"]["key"] = json!(key.replace(' ', "+"));
        record["s3"]["object"]["sequencer"] = json!(sequencer);
        event
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
