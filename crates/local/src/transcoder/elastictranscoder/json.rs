//! Jobs and pipelines as Elastic Transcoder's API returns them.

use serde_json::{Value, json};

use crate::transcoder::jobs::{Job, Outcome};
use crate::transcoder::pipelines::Pipeline;
use crate::transcoder::state::Transcoder;

/// Returns the `Job` object.
pub(super) fn job_json(transcoder: &Transcoder, job: &Job) -> Value {
    let input = job.request.get("Input");
    let output = output_json(job);
    json!({
        "Id": job.id,
        "Arn": transcoder.arn("elastictranscoder", &format!("job/{}", job.id)),
        "PipelineId": job.queue,
        "Input": input,
        "Inputs": [input],
        "Output": output,
        "Outputs": [output],
        "OutputKeyPrefix": job.request.get("OutputKeyPrefix"),
        "Playlists": [],
        "Status": job.status.name(),
        "UserMetadata": job.request.get("UserMetadata"),
        "Timing": {
            "SubmitTimeMillis": job.submitted_at,
            "StartTimeMillis": job.started_at,
            "FinishTimeMillis": job.finished_at,
        },
    })
}

fn output_json(job: &Job) -> Value {
    let mut output = job.request.get("Output").cloned().unwrap_or_default();
    if let Some(output) = output.as_object_mut() {
        output.insert("Id".to_owned(), "1".into());
        output.insert("Status".to_owned(), job.status.name().into());
        output.insert("Watermarks".to_owned(), json!([]));
        match &job.outcome {
            Some(Outcome::Done { media, .. }) => {
                output.insert("Width".to_owned(), media.width.into());
                output.insert("Height".to_owned(), media.height.into());
                output.insert("FrameRate".to_owned(), "30".into());
                output.insert("FileSize".to_owned(), media.size.into());
                output.insert("Duration".to_owned(), media.seconds().into());
                output.insert("DurationMillis".to_owned(), media.duration_ms.into());
            }
            Some(Outcome::Failed { message, .. }) => {
                output.insert("StatusDetail".to_owned(), message.as_str().into());
            }
            None => {}
        }
    }
    output
}

/// Returns the `Pipeline` object.
pub(super) fn pipeline_json(transcoder: &Transcoder, pipeline: &Pipeline) -> Value {
    let content = json!({
        "Bucket": pipeline.settings.get("OutputBucket"),
        "StorageClass": "Standard",
        "Permissions": [],
    });
    let mut json = json!({
        "Id": pipeline.id,
        "Arn": transcoder.arn("elastictranscoder", &format!("pipeline/{}", pipeline.id)),
        "Name": pipeline.name,
        "Status": "Active",
        "ContentConfig": content,
        "ThumbnailConfig": content,
    });
    if let (Some(json), Some(settings)) = (json.as_object_mut(), pipeline.settings.as_object()) {
        json.extend(settings.clone());
    }
    json
}

/// Returns the `NextPageToken`.
pub(super) fn page_token(next: Option<i64>) -> Option<String> {
    next.map(|number| number.to_string())
}
