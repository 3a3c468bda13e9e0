//! A job's result: recorded for the upload that the job carries in its metadata.

use std::collections::HashMap;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;
use video_core::key::ObjectKey;
use video_core::records::{JobEvent, JobResult};
use video_core::transcoder::{
    ELASTIC_TRANSCODER, ElasticTranscoder, MEDIA_CONVERT, MediaConvert, Metadata, Transcoder, key_of_url,
};

use crate::{Error, State};

/// A job that changed its state.
#[derive(Debug)]
pub struct Changed {
    transcoder: &'static str,
    job_id: String,
    metadata: Metadata,
    result: JobResult,
}

/// Elastic Transcoder's notification, the JSON text in an SNS message.
/// See <https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/notifications.html>.
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
    #[serde(default)]
    outputs: Vec<Output>,
    #[serde(default)]
    user_metadata: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Input {
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    key: String,
    status_detail: Option<String>,
    error_code: Option<Value>,
}

/// Reads an SNS record of Elastic Transcoder.
pub fn from_sns(record: &Value) -> Result<Changed, String> {
    let message = record["Sns"]["Message"].as_str().ok_or("it has no Sns.Message")?;
    let notification: Notification = serde_json::from_str(message).map_err(|error| error.to_string())?;
    let mut metadata = Metadata::read(&notification.user_metadata);
    let input = notification.input.as_ref().and_then(|input| ObjectKey::from_decoded(&input.key).ok());
    metadata.key = metadata.key.or(input);
    let result = notification.result()?;
    Ok(Changed { transcoder: ELASTIC_TRANSCODER, job_id: notification.job_id, metadata, result })
}

impl Notification {
    fn result(&self) -> Result<JobResult, String> {
        match self.state.as_str() {
            "PROGRESSING" => Ok(JobResult::Progressing),
            // A warning is about something minor: the result is there.
            "COMPLETED" | "WARNING" => {
                let output = self.outputs.first().ok_or("it names no output")?;
                Ok(JobResult::Ready { output: format!("{}{}", self.output_key_prefix, output.key) })
            }
            "ERROR" => Ok(self.failure()),
            _ => Err("its state is not known".to_owned()),
        }
    }

    fn failure(&self) -> JobResult {
        let output = self.outputs.first();
        let detail = output.and_then(|output| output.status_detail.as_deref()).or(self.message_details.as_deref());
        let code = self.error_code.as_ref().or_else(|| output.and_then(|output| output.error_code.as_ref()));
        JobResult::failed(ElasticTranscoder::SERVICE, code.and_then(text).as_deref(), detail)
    }
}

/// MediaConvert's event.
/// See <https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_cwe_events.html>.
#[derive(Deserialize)]
struct Event {
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    status: String,
    job_id: String,
    error_code: Option<Value>,
    error_message: Option<String>,
    #[serde(default)]
    output_group_details: Vec<OutputGroup>,
    #[serde(default)]
    user_metadata: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputGroup {
    output_details: Vec<OutputDetail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputDetail {
    output_file_paths: Vec<String>,
}

/// Reads an EventBridge event of MediaConvert.
pub fn from_mediaconvert(event: Value) -> Result<Changed, String> {
    let Event { detail } = serde_json::from_value(event).map_err(|error| error.to_string())?;
    let result = detail.result()?;
    let metadata = Metadata::read(&detail.user_metadata);
    Ok(Changed { transcoder: MEDIA_CONVERT, job_id: detail.job_id, metadata, result })
}

impl Detail {
    fn result(&self) -> Result<JobResult, String> {
        match self.status.as_str() {
            "COMPLETE" => Ok(JobResult::Ready { output: self.output()? }),
            "ERROR" => {
                let code = self.error_code.as_ref().and_then(text);
                Ok(JobResult::failed(MediaConvert::SERVICE, code.as_deref(), self.error_message.as_deref()))
            }
            "CANCELED" => Ok(JobResult::cancelled(MediaConvert::SERVICE)),
            // Progress in all its forms: PROGRESSING, STATUS_UPDATE, INPUT_INFORMATION, QUEUE_HOP, NEW_WARNING.
            _ => Ok(JobResult::Progressing),
        }
    }

    fn output(&self) -> Result<String, String> {
        let outputs = self.output_group_details.iter().flat_map(|group| &group.output_details);
        let path = outputs.flat_map(|output| &output.output_file_paths).next().ok_or("it names no output")?;
        key_of_url(path).map(str::to_owned).ok_or_else(|| "its output is no s3:// path".to_owned())
    }
}

/// An error code, which comes as text or as a number.
fn text(code: &Value) -> Option<String> {
    match code {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Records a job's result. Jobs that are not ours, and results that come too late to matter, change nothing.
pub async fn changed(state: &State, event: Changed) -> Result<(), Error> {
    let Changed { transcoder, job_id, metadata, result } = event;
    let Some(sequencer) = metadata.sequencer else {
        tracing::info!(job.id = job_id, "the job is not ours");
        return Ok(());
    };
    let Some(key) = key(state, &job_id, metadata.key).await? else {
        tracing::warn!(job.id = job_id, "the job names no upload");
        return Ok(());
    };
    let Some(id) = state.table.find(&key).await? else {
        tracing::warn!(job.id = job_id, video.key = %key, "the job's record is gone");
        return Ok(());
    };
    let event = JobEvent { sequencer, transcoder, job_id, result };
    let applied = state.table.apply(&id, &event, SystemTime::now()).await?;
    tracing::info!(job.id = event.job_id, video.key = %key, job.result = ?event.result, applied, "a job changed");
    Ok(())
}

/// The upload's key: from the metadata, or, where it was too long for that, from the job itself.
async fn key(state: &State, job_id: &str, in_metadata: Option<ObjectKey>) -> Result<Option<ObjectKey>, Error> {
    match (in_metadata, &state.transcoder) {
        (Some(key), _) => Ok(Some(key)),
        (None, Transcoder::MediaConvert(service)) => Ok(service.input_key(job_id).await?),
        (None, Transcoder::ElasticTranscoder(_)) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sns(change: impl FnOnce(&mut Value)) -> Result<Changed, String> {
        let mut event: Value =
            serde_json::from_str(include_str!("../fixtures/elastictranscoder_completed.json")).unwrap();
        let record = &mut event["Records"][0];
        let mut message: Value = serde_json::from_str(record["Sns"]["Message"].as_str().unwrap()).unwrap();
        change(&mut message);
        record["Sns"]["Message"] = json!(message.to_string());
        from_sns(record)
    }

    fn mediaconvert(change: impl FnOnce(&mut Value)) -> Result<Changed, String> {
        let mut event: Value = serde_json::from_str(include_str!("../fixtures/mediaconvert_complete.json")).unwrap();
        change(&mut event["detail"]);
        from_mediaconvert(event)
    }

    #[test]
    fn elastic_transcoders_result_is_prefix_and_key() {
        for state in ["COMPLETED", "WARNING"] {
            let changed = sns(|message| message["state"] = json!(state)).unwrap();
            assert_eq!(
                changed.result,
                JobResult::Ready { output: "output/web/Alba/0/c5e866594d810c0c3e1f.webm".to_owned() }
            );
            assert_eq!(changed.metadata.key.unwrap().as_str(), "Alba/0/c5e866594d810c0c3e1f.webm");
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
            assert_eq!(changed.unwrap().result, JobResult::Failed { reason });
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
    fn mediaconverts_result_is_the_path_without_the_bucket() {
        let changed = mediaconvert(|_| ()).unwrap();
        assert_eq!(
            changed.result,
            JobResult::Ready { output: "output/web/Alba/0/c5e866594d810c0c3e1f.mp4".to_owned() }
        );
    }

    #[test]
    fn mediaconverts_other_states_are_failure_or_progress() {
        let state = |status: &str| mediaconvert(|detail| detail["status"] = json!(status)).unwrap().result;
        assert_eq!(state("PROGRESSING"), JobResult::Progressing);
        assert_eq!(state("STATUS_UPDATE"), JobResult::Progressing);
        assert_eq!(state("CANCELED"), JobResult::Failed { reason: "MediaConvert: the job was cancelled".to_owned() });
        assert_eq!(state("ERROR"), JobResult::Failed { reason: "MediaConvert: no reason was given".to_owned() });
        let failed = mediaconvert(|detail| {
            detail["status"] = json!("ERROR");
            detail["errorCode"] = json!(1040);
            detail["errorMessage"] = json!("Unsupported file");
        });
        assert_eq!(
            failed.unwrap().result,
            JobResult::Failed { reason: "MediaConvert error 1040: Unsupported file".to_owned() }
        );
    }

    #[test]
    fn a_result_without_an_output_is_refused() {
        assert!(sns(|message| message["outputs"] = json!([])).is_err());
        assert!(sns(|message| message["state"] = json!("SLEEPING")).is_err());
        assert!(mediaconvert(|detail| detail["outputGroupDetails"] = json!([])).is_err());
        assert!(
            mediaconvert(
                |detail| detail["outputGroupDetails"][0]["outputDetails"][0]["outputFilePaths"][0] = json!("file.mp4")
            )
            .is_err()
        );
    }
}
