//! The sweep: finds videos that hang and settles them. It runs on a schedule and asks the transcoder, in case an event never came.

use std::time::{Duration, Instant, SystemTime};

use video_core::key::ObjectKey;
use video_core::records::{JobEvent, JobResult, Record, RecordId, SHARDS, Status, Upload};
use video_core::time::parse_rfc3339;

use crate::{Error, State, s3};

/// Younger uploads are left to their own events and to Lambda's retries, which end after three minutes.
const OLD: Duration = Duration::from_mins(10);
/// Records of one shard in one sweep; the next sweep goes on with what is still open.
const MOST: i32 = 100;
/// A sweep ends before the function's time does.
const LONGEST: Duration = Duration::from_secs(20);

/// Settles what hangs. What cannot be settled now is left to the next sweep, so this never fails as a whole.
pub async fn sweep(state: &State) -> Result<(), Error> {
    let started = Instant::now();
    let before = SystemTime::now() - OLD;
    let (mut found, mut failed) = (0, 0);
    for shard in SHARDS {
        for id in state.table.open(shard, before, MOST).await? {
            if started.elapsed() > LONGEST {
                tracing::warn!(sweep.found = found, sweep.failed = failed, "the sweep ran out of time");
                return Ok(());
            }
            found += 1;
            if let Err(error) = settle(state, &id).await {
                failed += 1;
                tracing::warn!(error.message = %error, "a video could not be settled");
            }
        }
    }
    tracing::info!(sweep.found = found, sweep.failed = failed, "the sweep is done");
    Ok(())
}

/// Takes one open record as far as it goes: to its job, or to its job's end.
async fn settle(state: &State, id: &RecordId) -> Result<(), Error> {
    let Some(record) = state.table.get(id).await? else {
        return Ok(());
    };
    match (record.status, &record.job_id, upload(&record)) {
        (Some(Status::Uploaded), None, Some(upload)) => s3::process(state, id, &upload).await,
        (Some(Status::Uploaded | Status::Transcoding), Some(job_id), Some(upload)) => {
            ask_the_transcoder(state, id, &record, job_id, &upload).await
        }
        _ => Ok(()),
    }
}

async fn ask_the_transcoder(
    state: &State,
    id: &RecordId,
    record: &Record,
    job_id: &str,
    upload: &Upload,
) -> Result<(), Error> {
    let transcoder = state.transcoder.name();
    if record.transcoder.as_deref() != Some(transcoder) {
        tracing::warn!(video.key = %upload.key, job.id = job_id, "the job is on a transcoder that is no longer in use");
        return Ok(());
    }
    let unknown = || JobResult::Failed { reason: "the transcoder no longer knows the job".to_owned() };
    let result = state.transcoder.look_up(job_id).await?.unwrap_or_else(unknown);
    if result == JobResult::Progressing {
        return Ok(());
    }
    let event = JobEvent { sequencer: upload.sequencer.clone(), transcoder, job_id: job_id.to_owned(), result };
    let applied = state.table.apply(id, &event, SystemTime::now()).await?;
    tracing::info!(video.key = %upload.key, job.id = job_id, job.result = ?event.result, applied, "a lost result is recorded");
    Ok(())
}

/// The upload that a record was claimed for.
fn upload(record: &Record) -> Option<Upload> {
    Some(Upload {
        key: ObjectKey::from_decoded(record.uploaded_key.as_deref()?).ok()?,
        sequencer: record.sequencer.as_deref()?.parse().ok()?,
        size: record.size.unwrap_or_default(),
        uploaded_at: parse_rfc3339(record.uploaded_at.as_deref()?)?,
    })
}
