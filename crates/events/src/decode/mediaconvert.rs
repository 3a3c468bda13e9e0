//! MediaConvert's events on EventBridge.
//!
//! See <https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_cwe_events.html>.

use std::collections::HashMap;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use video_core::TranscoderKind;
use video_core::job::{JobMetadata, JobResult};
use video_core::transcoder::key_of_url;

use super::{JobStateChange, error_code, read};

/// The event's detail, as far as it matters here.
#[derive(Deserialize, Serialize)]
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

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputGroup {
    output_details: Vec<OutputDetail>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputDetail {
    output_file_paths: Vec<String>,
}

/// Decodes an event of MediaConvert.
pub(super) fn decode(event: Value) -> Result<JobStateChange, String> {
    let EventBridgeEvent::<Detail> { detail, .. } = read(event)?;
    let result = detail.result()?;
    let metadata = JobMetadata::read(&detail.user_metadata);
    Ok(JobStateChange { transcoder: TranscoderKind::MediaConvert, job_id: detail.job_id, metadata, result })
}

impl Detail {
    fn result(&self) -> Result<JobResult, String> {
        match self.status.as_str() {
            "COMPLETE" => Ok(JobResult::Ready { output: self.output()? }),
            "ERROR" => {
                let code = self.error_code.as_ref().and_then(error_code);
                Ok(JobResult::failed(TranscoderKind::MediaConvert, code.as_deref(), self.error_message.as_deref()))
            }
            "CANCELED" => Ok(JobResult::cancelled(TranscoderKind::MediaConvert)),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mediaconvert(change: impl FnOnce(&mut Value)) -> Result<JobStateChange, String> {
        let mut event: Value = serde_json::from_str(include_str!("../../fixtures/mediaconvert_complete.json")).unwrap();
        change(&mut event["detail"]);
        decode(event)
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
    fn a_result_without_an_output_is_malformed() {
        assert!(mediaconvert(|detail| detail["outputGroupDetails"] = json!([])).is_err());
        assert!(
            mediaconvert(
                |detail| detail["outputGroupDetails"][0]["outputDetails"][0]["outputFilePaths"][0] = json!("file.mp4")
            )
            .is_err()
        );
    }
}
