//! MediaConvert's events on EventBridge.
//!
//! See <https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_cwe_events.html>.

use std::collections::HashMap;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use video_core::TranscoderKind;
use video_core::job::{JobMetadata, JobResult, is_picture};
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
    /// Read leniently: whatever is missing in it, the job is complete.
    #[serde(default)]
    output_group_details: Value,
    #[serde(default)]
    user_metadata: HashMap<String, String>,
}

/// Decodes an event of MediaConvert.
pub(super) fn decode(event: Value) -> Result<JobStateChange, String> {
    let EventBridgeEvent::<Detail> { detail, .. } = read(event)?;
    let result = detail.result();
    let metadata = JobMetadata::read(&detail.user_metadata);
    Ok(JobStateChange { transcoder: TranscoderKind::MediaConvert, job_id: detail.job_id, metadata, result })
}

impl Detail {
    fn result(&self) -> Option<JobResult> {
        match self.status.as_str() {
            "COMPLETE" => Some(JobResult::Ready { output: self.output()? }),
            "ERROR" => {
                let code = self.error_code.as_ref().and_then(error_code);
                Some(JobResult::failed(TranscoderKind::MediaConvert, code.as_deref(), self.error_message.as_deref()))
            }
            "CANCELED" => Some(JobResult::cancelled(TranscoderKind::MediaConvert)),
            // Progress in all its forms: PROGRESSING, STATUS_UPDATE, INPUT_INFORMATION, QUEUE_HOP, NEW_WARNING.
            _ => Some(JobResult::Progressing),
        }
    }

    /// Returns the key of the first file that is no picture: groups come in any order.
    fn output(&self) -> Option<String> {
        let groups = self.output_group_details.as_array().into_iter().flatten();
        let outputs = groups.filter_map(|group| group.get("outputDetails")?.as_array()).flatten();
        let paths = outputs.filter_map(|output| output.get("outputFilePaths")?.as_array()).flatten();
        let keys = paths.filter_map(|path| key_of_url(path.as_str()?));
        keys.filter(|key| !is_picture(key)).map(str::to_owned).next()
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
        assert_eq!(changed.result, Some(ready()));
    }

    fn ready() -> JobResult {
        JobResult::Ready { output: "output/web/Alba/0/c5e866594d810c0c3e1f.mp4".to_owned() }
    }

    #[test]
    fn the_result_is_told_from_pictures_wherever_it_stands() {
        let picture = json!({ "outputDetails": [{ "outputFilePaths": ["s3://output/output/web/x.0000001.JPG"] }] });
        for at in [0, 1] {
            let changed = mediaconvert(|detail| {
                detail["outputGroupDetails"].as_array_mut().unwrap().insert(at, picture.clone());
            });
            assert_eq!(changed.unwrap().result, Some(ready()), "a picture at {at}");
        }
        let paths = json!(["s3://output/x.png", 7, "s3://output/output/web/Alba/0/c5e866594d810c0c3e1f.mp4"]);
        let in_one_output = mediaconvert(|detail| {
            detail["outputGroupDetails"][0]["outputDetails"][0]["outputFilePaths"] = paths;
        });
        assert_eq!(in_one_output.unwrap().result, Some(ready()));
    }

    #[test]
    fn mediaconverts_other_states_are_failure_or_progress() {
        let state = |status: &str| mediaconvert(|detail| detail["status"] = json!(status)).unwrap().result.unwrap();
        assert_eq!(state("PROGRESSING"), JobResult::Progressing);
        assert_eq!(state("STATUS_UPDATE"), JobResult::Progressing);
        assert_eq!(state("CANCELED"), JobResult::Failed { reason: "MediaConvert: the job was cancelled".to_owned() });
        assert_eq!(state("ERROR"), JobResult::Failed { reason: "MediaConvert: no reason was given".to_owned() });
        let failed = mediaconvert(|detail| {
            detail["status"] = json!("ERROR");
            detail["errorCode"] = json!(1040);
            detail["errorMessage"] = json!("Unsupported file");
        });
        let reason = "MediaConvert error 1040: Unsupported file".to_owned();
        assert_eq!(failed.unwrap().result, Some(JobResult::Failed { reason }));
    }

    #[test]
    fn a_job_is_complete_although_its_event_names_no_result() {
        let groups = |groups: Value| mediaconvert(|detail| detail["outputGroupDetails"] = groups).unwrap().result;
        let paths = |paths: Value| groups(json!([{ "outputDetails": [{ "outputFilePaths": paths }] }]));
        for groups in [groups(json!(null)), groups(json!([])), groups(json!("x")), groups(json!([{}, 7]))] {
            assert_eq!(groups, None);
        }
        for paths in [paths(json!(null)), paths(json!([])), paths(json!(["x.mp4"])), paths(json!(["s3://output/x.jpg"]))]
        {
            assert_eq!(paths, None);
        }
    }
}
