//! Jobs as MediaConvert's API returns them and as EventBridge delivers their state changes.

use std::time::SystemTime;

use serde_json::{Value, json};
use uuid::Uuid;

use super::outputs::groups;
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
        "statusUpdateInterval": job.request.get("statusUpdateInterval").unwrap_or(&json!("SECONDS_60")),
        "billingTagsSource": "JOB",
        "accelerationSettings": { "mode": "DISABLED" },
        "accelerationStatus": "NOT_APPLICABLE",
        "messages": { "info": [], "warning": [] },
    });
    if let Some(Outcome::Done { media, pictures }) = &job.outcome {
        let details = group_details(job, media, pictures).into_iter();
        let details: Vec<_> = details.map(|(detail, _)| json!({ "outputDetails": [detail] })).collect();
        insert(&mut json, "outputGroupDetails", details.into());
        insert(&mut json, "jobPercentComplete", 100.into());
    }
    insert_error(&mut json, job);
    json
}

/// Returns the "Job State Change" event for the job's status; see
/// <https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_cwe_events.html>.
pub(in crate::transcoder) fn state_change_event(transcoder: &Transcoder, job: &Job) -> Value {
    let mut detail = json!({ "status": status_name(job.status) });
    if let Some(Outcome::Done { media, pictures }) = &job.outcome {
        let groups = group_details(job, media, pictures).into_iter().map(|(mut output, key)| {
            if let Some(key) = key {
                insert(&mut output, "outputFilePaths", json!([format!("s3://{}/{key}", job.output.bucket)]));
            }
            json!({ "type": "FILE_GROUP", "outputDetails": [output] })
        });
        insert(&mut detail, "outputGroupDetails", groups.collect());
    }
    insert_error(&mut detail, job);
    event(transcoder, job, detail)
}

/// Wraps what an event says of a job.
pub(super) fn event(transcoder: &Transcoder, job: &Job, mut detail: Value) -> Value {
    for (field, value) in [
        ("timestamp", now_millis().into()),
        ("accountId", transcoder.settings.account.as_str().into()),
        ("queue", job.queue.as_str().into()),
        ("jobId", job.id.as_str().into()),
        ("userMetadata", user_metadata(job)),
    ] {
        insert(&mut detail, field, value);
    }
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

/// Returns what is said of each output group, in the order of the request, with the key of its file; of many frames,
/// AWS names the last one.
fn group_details<'a>(job: &'a Job, media: &Media, pictures: &'a [String]) -> Vec<(Value, Option<&'a str>)> {
    let detail = |duration_ms: u64, key| {
        let video = json!({ "widthInPx": media.width, "heightInPx": media.height });
        (json!({ "durationInMs": duration_ms, "videoDetails": video }), key)
    };
    let groups = groups(job).into_iter().map(|group| {
        if group.is_frame_capture() {
            // Each frame stands for the time until the next one.
            detail(group.frame_interval_ms() * pictures.len() as u64, pictures.last().map(String::as_str))
        } else {
            detail(media.duration_ms, Some(job.output.key.as_str()))
        }
    });
    groups.collect()
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
