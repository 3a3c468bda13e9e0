//! Jobs as MediaConvert's API returns them and as EventBridge delivers their state changes.

use std::time::SystemTime;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::timestamps::{now_millis, rfc3339_seconds};
use crate::transcoder::ffmpeg::Media;
use crate::transcoder::jobs::{Job, Outcome, Status};
use crate::transcoder::state::Transcoder;

/// Returns the `job` object.
pub(super) fn job_json(transcoder: &Transcoder, job: &Job) -> Value {
    let mut json = json!({
        "arn": job_arn(transcoder, job),
        "id": job.id,
        "createdAt": job.submitted_at / 1000,
        "clientRequestToken": job.token,
        "queue": job.queue,
        "role": job.request.get("role"),
        "settings": job.request.get("settings"),
        "userMetadata": user_metadata(job),
        "status": status_name(job.status),
        "timing": {
            "submitTime": job.submitted_at / 1000,
            "startTime": job.started_at.map(|time| time / 1000),
            "finishTime": job.finished_at.map(|time| time / 1000),
        },
        "priority": 0,
        "statusUpdateInterval": "SECONDS_60",
        "billingTagsSource": "JOB",
        "accelerationSettings": { "mode": "DISABLED" },
        "accelerationStatus": "NOT_APPLICABLE",
        "messages": { "info": [], "warning": [] },
    });
    if let Some(Outcome::Done(media)) = &job.outcome {
        insert(&mut json, "outputGroupDetails", json!([{ "outputDetails": [output_detail(media)] }]));
        insert(&mut json, "jobPercentComplete", 100.into());
    }
    insert_error(&mut json, job);
    json
}

/// Returns the "Job State Change" event for the job's status; see
/// <https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_cwe_events.html>.
pub(in crate::transcoder) fn state_change_event(transcoder: &Transcoder, job: &Job) -> Value {
    let mut detail = json!({
        "timestamp": now_millis(),
        "accountId": transcoder.settings.account,
        "queue": job.queue,
        "jobId": job.id,
        "status": status_name(job.status),
        "userMetadata": user_metadata(job),
    });
    if let Some(Outcome::Done(media)) = &job.outcome {
        let mut output = output_detail(media);
        let path = format!("s3://{}/{}", job.output.bucket, job.output.key);
        insert(&mut output, "outputFilePaths", json!([path]));
        insert(&mut detail, "outputGroupDetails", json!([{ "type": "FILE_GROUP", "outputDetails": [output] }]));
    }
    insert_error(&mut detail, job);
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "MediaConvert Job State Change",
        "source": "aws.mediaconvert",
        "account": transcoder.settings.account,
        "time": rfc3339_seconds(SystemTime::now()),
        "region": transcoder.settings.region,
        "resources": [job_arn(transcoder, job)],
        "detail": detail,
    })
}

/// Returns a status as MediaConvert writes it.
pub(super) fn status_name(status: Status) -> String {
    status.name().to_ascii_uppercase()
}

fn job_arn(transcoder: &Transcoder, job: &Job) -> String {
    transcoder.arn("mediaconvert", &format!("jobs/{}", job.id))
}

fn output_detail(media: &Media) -> Value {
    json!({
        "durationInMs": media.duration_ms,
        "videoDetails": { "widthInPx": media.width, "heightInPx": media.height },
    })
}

fn user_metadata(job: &Job) -> Value {
    job.request.get("userMetadata").cloned().unwrap_or_else(|| json!({}))
}

fn insert_error(object: &mut Value, job: &Job) {
    if let Some(Outcome::Failed { code, message }) = &job.outcome {
        insert(object, "errorCode", (*code).into());
        insert(object, "errorMessage", message.as_str().into());
    }
}

fn insert(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}
