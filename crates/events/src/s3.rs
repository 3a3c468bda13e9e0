//! An upload: claimed, handed to the transcoder, recorded. Events come at least once and in any order.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;
use video_core::key::{ObjectKey, Sequencer};
use video_core::records::{Claim, RecordId, Upload};
use video_core::time::{epoch_seconds, parse_rfc3339};
use video_core::transcoder::{Job, SubmitError};

use crate::{Error, State};

/// A video that S3 has taken.
#[derive(Debug)]
pub struct Uploaded {
    bucket: String,
    upload: Upload,
}

/// The parts of a notification that matter here.
/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    event_time: String,
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    size: u64,
    sequencer: Option<String>,
}

/// Reads one record of a notification; `None` when it is about no new video.
pub fn from_record(record: Value) -> Result<Option<Uploaded>, String> {
    let record: Record = serde_json::from_value(record).map_err(|error| error.to_string())?;
    if !record.event_name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        return Ok(None);
    }
    let key = ObjectKey::from_event(&record.s3.object.key).map_err(|error| error.to_string())?;
    if !key.is_video() {
        tracing::info!(video.key = %key, "the object is no video");
        return Ok(None);
    }
    let uploaded_at = parse_rfc3339(&record.event_time).ok_or("eventTime must be an RFC 3339 time")?;
    let sequencer = match record.s3.object.sequencer {
        Some(text) => text.parse().map_err(|invalid: video_core::key::Invalid| invalid.to_string())?,
        None => sequencer_of_time(uploaded_at)?,
    };
    let upload = Upload { key, sequencer, size: record.s3.object.size, uploaded_at };
    Ok(Some(Uploaded { bucket: record.s3.bucket.name, upload }))
}

/// Stores that speak S3 but do not number their uploads are ordered by time.
fn sequencer_of_time(time: SystemTime) -> Result<Sequencer, String> {
    let nanoseconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    format!("{:010X}{nanoseconds:08X}", epoch_seconds(time))
        .parse()
        .map_err(|invalid: video_core::key::Invalid| invalid.to_string())
}

/// Finds the record of an upload and takes it through the pipeline.
pub async fn uploaded(state: &State, event: Uploaded) -> Result<(), Error> {
    let Uploaded { bucket, upload } = event;
    if bucket != state.media_bucket {
        tracing::warn!(s3.bucket = bucket, "an event of another bucket is ignored");
        return Ok(());
    }
    let id = state.table.find_or_adopt(&upload.key, SystemTime::now()).await?;
    process(state, &id, &upload).await
}

/// Takes one upload through the pipeline as far as this invocation may.
pub async fn process(state: &State, id: &RecordId, upload: &Upload) -> Result<(), Error> {
    let claim = state.table.claim(id, upload, SystemTime::now(), state.lease).await?;
    tracing::info!(video.key = %upload.key, video.sequencer = %upload.sequencer, ?claim, "an upload is claimed");

    let job = |plain_prefix| Job {
        bucket: state.media_bucket.clone(),
        key: upload.key.clone(),
        sequencer: upload.sequencer.clone(),
        plain_prefix,
    };
    match claim {
        Claim::Ours { first } => transcode(state, id, &job(first)).await,
        Claim::TakenOver => take_over(state, id, &job(false), upload.uploaded_at).await,
        Claim::Settled => Ok(()),
        Claim::Busy => Err(Error::Busy(upload.key.to_string())),
        Claim::Gone => Err(Error::Gone(upload.key.to_string())),
    }
}

/// The invocation that had the upload may have died after it created the job.
async fn take_over(state: &State, id: &RecordId, job: &Job, uploaded_at: SystemTime) -> Result<(), Error> {
    match state.transcoder.find(job, uploaded_at).await {
        Ok(Some(job_id)) => record_job(state, id, job, &job_id).await,
        Ok(None) => transcode(state, id, job).await,
        Err(error) => give_back(state, id, job, error).await,
    }
}

async fn transcode(state: &State, id: &RecordId, job: &Job) -> Result<(), Error> {
    match state.transcoder.submit(job).await {
        Ok(job_id) => record_job(state, id, job, &job_id).await,
        Err(SubmitError::Refused(reason)) => {
            tracing::error!(video.key = %job.key, reason, "the transcoder refused an upload");
            state.table.refused(id, &job.sequencer, state.transcoder.name(), &reason, SystemTime::now()).await?;
            Ok(())
        }
        Err(SubmitError::Unavailable(error)) => give_back(state, id, job, error).await,
        // The lease is kept: by its end whatever is on its way has arrived, and the next try finds the job.
        Err(SubmitError::Unknown(error)) => Err(error.into()),
    }
}

async fn record_job(state: &State, id: &RecordId, job: &Job, job_id: &str) -> Result<(), Error> {
    let recorded =
        state.table.submitted(id, &job.sequencer, state.transcoder.name(), job_id, SystemTime::now()).await?;
    tracing::info!(video.key = %job.key, job.id = job_id, recorded, "an upload has its job");
    Ok(())
}

/// Ends the lease at once, so that the next try need not wait for it. If even that fails, the lease ends by itself.
async fn give_back(state: &State, id: &RecordId, job: &Job, error: video_core::Error) -> Result<(), Error> {
    if let Err(second) = state.table.give_back(id, &job.sequencer).await {
        tracing::warn!(video.key = %job.key, error.message = %second, "a lease could not be given back");
    }
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(change: impl FnOnce(&mut Value)) -> Result<Option<Uploaded>, String> {
        let mut event: Value = serde_json::from_str(include_str!("../fixtures/s3_object_created.json")).unwrap();
        let mut record = event["Records"][0].take();
        change(&mut record);
        from_record(record)
    }

    #[test]
    fn a_notification_says_what_was_uploaded() {
        let Uploaded { bucket, upload } = record(|_| ()).unwrap().unwrap();
        assert_eq!(bucket, "media");
        assert_eq!(upload.key.as_str(), "Alba/0/c5e866594d810c0c3e1f.webm");
        assert_eq!(upload.size, 1_048_576);
        assert!(upload.sequencer.as_str().starts_with("0055AED6DCD90281E5"));
    }

    #[test]
    fn what_is_no_new_video_is_passed_over() {
        assert!(record(|r| r["eventName"] = json!("ObjectRemoved:Delete")).unwrap().is_none());
        assert!(record(|r| r["s3"]["object"]["key"] = json!("notes.txt")).unwrap().is_none());
    }

    #[test]
    fn a_record_that_no_s3_writes_is_refused() {
        for (path, value) in [
            ("key", json!("%ff.mp4")),
            ("key", json!("")),
            ("sequencer", json!("soon")),
            ("size", json!(-1)),
            ("key", json!(1)),
        ] {
            assert!(record(|r| r["s3"]["object"][path] = value).is_err(), "{path}");
        }
        assert!(record(|r| r["eventTime"] = json!("yesterday")).is_err());
    }

    #[test]
    fn without_a_sequencer_time_decides() {
        let at = |time: &str| {
            let uploaded = record(|r| {
                r["eventTime"] = json!(time);
                r["s3"]["object"].as_object_mut().unwrap().remove("sequencer");
            });
            uploaded.unwrap().unwrap().upload.sequencer
        };
        assert!(at("2026-11-24T03:00:00.001Z") > at("2026-11-24T03:00:00.000Z"));
        assert!(at("2026-11-24T03:00:01.000Z") > at("2026-11-24T03:00:00.999Z"));
    }
}
