//! `STATUS_UPDATE`: how far a job is; see
//! <https://docs.aws.amazon.com/mediaconvert/latest/ug/ev_status_status_update.html>.

use std::time::Duration;

use serde_json::{Value, json};

use super::json::event;
use crate::transcoder::ffmpeg::Progress;
use crate::transcoder::jobs::Job;
use crate::transcoder::state::Transcoder;

/// Returns how often a job's progress is to be reported.
pub(in crate::transcoder) fn status_update_interval(job: &Job) -> Duration {
    let name = job.request.get("statusUpdateInterval").and_then(Value::as_str);
    let seconds = name.and_then(|name| name.strip_prefix("SECONDS_")?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

/// Returns the event. As on AWS, there is no percent where the input does not say how long it is.
pub(in crate::transcoder) fn status_update_event(transcoder: &Transcoder, job: &Job, progress: Progress) -> Value {
    let mut phases = json!({
        "PROBING": { "status": "COMPLETE" },
        "TRANSCODING": { "status": "PROGRESSING" },
        "UPLOADING": { "status": "PENDING" },
    });
    let mut job_progress = json!({ "currentPhase": "TRANSCODING", "retryCount": 0 });
    if let Some(percent) = progress.percent {
        phases["PROBING"]["percentComplete"] = 100.into();
        phases["TRANSCODING"]["percentComplete"] = percent.into();
        phases["UPLOADING"]["percentComplete"] = 0.into();
        job_progress["jobPercentComplete"] = percent.into();
    }
    job_progress["phaseProgress"] = phases;
    event(transcoder, job, json!({ "status": "STATUS_UPDATE", "jobProgress": job_progress }))
}
