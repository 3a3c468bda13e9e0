//! MediaConvert's events on EventBridge.
//!
//! See <https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_cwe_events.html>.

use std::collections::HashMap;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use video_core::TranscoderKind;
use video_core::job::{Facts, JobMetadata, JobOutput, JobResult, is_picture};
use video_core::transcoder::key_of_url;

use super::{JobStateChange, error_code, integer, read};

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
    job_progress: Value,
    #[serde(default)]
    user_metadata: HashMap<String, String>,
}

/// How many percent are done when a phase begins. Most of the time goes into transcoding.
const PHASES: [(&str, u8); 3] = [("PROBING", 0), ("TRANSCODING", 10), ("UPLOADING", 95)];

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
            "COMPLETE" => Some(JobResult::Ready(self.output()?)),
            "ERROR" => {
                let code = self.error_code.as_ref().and_then(error_code);
                Some(JobResult::failed(TranscoderKind::MediaConvert, code.as_deref(), self.error_message.as_deref()))
            }
            "CANCELED" => Some(JobResult::cancelled(TranscoderKind::MediaConvert)),
            "STATUS_UPDATE" => Some(JobResult::Progressing { percent: self.percent() }),
            // Progress in all its other forms: PROGRESSING, INPUT_INFORMATION, QUEUE_HOP, NEW_WARNING.
            _ => Some(JobResult::Progressing { percent: None }),
        }
    }

    /// Returns how far the job is. For some inputs, WebM among them, MediaConvert gives no percent: then the phase
    /// tells.
    fn percent(&self) -> Option<u8> {
        let Some(percent) = integer(&self.job_progress, "jobPercentComplete") else {
            let current = self.job_progress.get("currentPhase")?.as_str()?;
            return PHASES.into_iter().find_map(|(phase, percent)| (phase == current).then_some(percent));
        };
        let possible = u8::try_from(percent).ok().filter(|percent| *percent <= 100);
        if possible.is_none() {
            tracing::warn!(event.malformed = true, percent, "a job's progress is out of range");
        }
        possible
    }

    /// Returns the first file that is no picture, and the last picture: groups come in any order.
    fn output(&self) -> Option<JobOutput> {
        let groups = self.output_group_details.as_array().into_iter().flatten();
        let outputs = groups.filter_map(|group| group.get("outputDetails")?.as_array()).flatten();
        let files = outputs.flat_map(|output| keys(output).map(move |key| (output, key)));
        let (pictures, results): (Vec<_>, Vec<_>) = files.partition(|(_, key)| is_picture(key));
        let (output, key) = results.first()?;
        Some(JobOutput {
            key: (*key).to_owned(),
            poster: pictures.last().map(|(_, key)| (*key).to_owned()),
            facts: facts(output),
        })
    }
}

fn keys(output: &Value) -> impl Iterator<Item = &str> {
    let paths = output.get("outputFilePaths").and_then(Value::as_array).into_iter().flatten();
    paths.filter_map(|path| key_of_url(path.as_str()?))
}

fn facts(output: &Value) -> Facts {
    let video = output.get("videoDetails").unwrap_or(&Value::Null);
    Facts::of(integer(output, "durationInMs"), integer(video, "widthInPx"), integer(video, "heightInPx"))
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

    const RESULT: &str = "output/web/Alba/0/c5e866594d810c0c3e1f.mp4";
    const POSTER: &str =
        "output/web/Alba/0/c5e866594d810c0c3e1f/0055AED6DCD90281E50000000000000000000000-poster.0000001.jpg";

    fn ready() -> JobResult {
        let facts = Facts { duration: Some(3), width: Some(1280), height: Some(720), truncated: false };
        JobResult::Ready(JobOutput { key: RESULT.to_owned(), poster: Some(POSTER.to_owned()), facts })
    }

    #[test]
    fn the_result_is_told_from_pictures_wherever_it_stands() {
        let reversed = mediaconvert(|detail| detail["outputGroupDetails"].as_array_mut().unwrap().reverse());
        assert_eq!(reversed.unwrap().result, Some(ready()));
        let paths = json!([format!("s3://output/{POSTER}"), 7, format!("s3://output/{RESULT}")]);
        let in_one_output = mediaconvert(|detail| {
            detail["outputGroupDetails"].as_array_mut().unwrap().truncate(1);
            detail["outputGroupDetails"][0]["outputDetails"][0]["outputFilePaths"] = paths;
        });
        assert_eq!(in_one_output.unwrap().result, Some(ready()));
    }

    #[test]
    fn a_result_without_a_poster_or_with_impossible_facts_is_ready() {
        let changed = mediaconvert(|detail| {
            detail["outputGroupDetails"].as_array_mut().unwrap().truncate(1);
            let output = &mut detail["outputGroupDetails"][0]["outputDetails"][0];
            output["durationInMs"] = json!(-3000);
            output["videoDetails"] = json!({ "widthInPx": "1280", "heightInPx": 7.5 });
        });
        let output = JobOutput { key: RESULT.to_owned(), poster: None, facts: Facts::default() };
        assert_eq!(changed.unwrap().result, Some(JobResult::Ready(output)));
    }

    #[test]
    fn mediaconverts_other_states_are_failure_or_progress() {
        let state = |status: &str| mediaconvert(|detail| detail["status"] = json!(status)).unwrap().result.unwrap();
        assert_eq!(state("PROGRESSING"), JobResult::Progressing { percent: None });
        assert_eq!(state("INPUT_INFORMATION"), JobResult::Progressing { percent: None });
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
    fn progress_is_the_jobs_percent_else_its_phase_and_nothing_impossible() {
        for (progress, percent) in [
            (json!({ "jobPercentComplete": 42, "currentPhase": "TRANSCODING" }), Some(42)),
            (json!({ "jobPercentComplete": 0 }), Some(0)),
            (json!({ "jobPercentComplete": 100 }), Some(100)),
            (json!({ "jobPercentComplete": 101 }), None),
            (json!({ "jobPercentComplete": -1, "currentPhase": "TRANSCODING" }), None),
            (json!({ "jobPercentComplete": "42" }), None),
            (json!({ "currentPhase": "PROBING" }), Some(0)),
            (json!({ "currentPhase": "TRANSCODING", "jobPercentComplete": null }), Some(10)),
            (json!({ "currentPhase": "UPLOADING" }), Some(95)),
            (json!({ "currentPhase": "SLEEPING" }), None),
            (json!({}), None),
            (json!("x"), None),
        ] {
            let changed = mediaconvert(|detail| {
                detail["status"] = json!("STATUS_UPDATE");
                detail["jobProgress"] = progress.clone();
            });
            assert_eq!(changed.unwrap().result, Some(JobResult::Progressing { percent }), "{progress}");
        }
    }

    #[test]
    fn a_job_is_complete_although_its_event_names_no_result() {
        let groups = |groups: Value| mediaconvert(|detail| detail["outputGroupDetails"] = groups).unwrap().result;
        let paths = |paths: Value| groups(json!([{ "outputDetails": [{ "outputFilePaths": paths }] }]));
        for groups in [groups(json!(null)), groups(json!([])), groups(json!("x")), groups(json!([{}, 7]))] {
            assert_eq!(groups, None);
        }
        for paths in
            [paths(json!(null)), paths(json!([])), paths(json!(["x.mp4"])), paths(json!(["s3://output/x.jpg"]))]
        {
            assert_eq!(paths, None);
        }
    }
}
