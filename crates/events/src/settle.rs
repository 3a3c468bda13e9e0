//! Taking one record of the outbox as far as it goes: to its job, its result, its event, its end. Whoever was woken by
//! a message, and the sweep, do the same, so that nothing depends on the message.

use std::time::{Duration, SystemTime};

use video_core::ids::ObjectKey;
use video_core::job::{JobEvent, JobResult};
use video_core::records::{Record, RecordId, Status};
use video_core::upload::Upload;

use crate::announce;
use crate::erase;
use crate::error::Error;
use crate::result;
use crate::state::State;
use crate::upload;

/// A job on a transcoder that is no longer in use gets so long for its own event; then the video has failed.
const OTHER_TRANSCODER_TIMEOUT: Duration = Duration::from_hours(24);

/// Finds the record that a request names by its key, and settles it.
pub async fn requested(state: &State, key: &ObjectKey) -> Result<(), Error> {
    let Some(id) = state.table.find(key).await? else {
        tracing::info!(video.key = %key, "the record of a request was deleted");
        return Ok(());
    };
    settle(state, &id).await
}

/// Does what is owed to a record.
pub async fn settle(state: &State, id: &RecordId) -> Result<(), Error> {
    let Some(record) = state.table.get(id).await? else {
        return Ok(());
    };
    // Each on the heap: one future of everything that may happen to a video is deep.
    match (record.status, &record.job_id, record.upload()) {
        (Some(Status::Deleting), _, _) => Box::pin(erase::erase(state, &record)).await,
        (Some(Status::Ready | Status::Failed), _, _) => Box::pin(announce::announce_record(state, &record)).await,
        (Some(Status::Uploaded), None, Some(upload)) => Box::pin(upload::process(state, id, &upload)).await,
        (Some(Status::Uploaded | Status::Transcoding), Some(job_id), Some(upload)) => {
            Box::pin(ask_the_transcoder(state, &record, job_id, upload)).await
        }
        _ => Ok(()),
    }
}

/// Asks for the result of a job whose event may be lost.
async fn ask_the_transcoder(state: &State, record: &Record, job_id: &str, upload: Upload) -> Result<(), Error> {
    let Some(result) = lost_result(state, record, job_id).await? else {
        return Ok(());
    };
    let transcoder = record.transcoder.unwrap_or(state.transcoder.kind());
    let event = JobEvent { sequencer: upload.sequencer, transcoder, job_id: job_id.to_owned(), result };
    let Some(applied) = result::record(state, &record.id, &event).await? else { return Ok(()) };
    let (changed, result) = (applied.changed, &event.result);
    tracing::info!(video.key = %upload.key, job.id = job_id, job.result = ?result, changed, "lost result recorded");
    match applied.record {
        Some(record) => announce::announce_record(state, &record).await,
        None => Ok(()),
    }
}

/// Returns the result of a job that has ended.
async fn lost_result(state: &State, record: &Record, job_id: &str) -> Result<Option<JobResult>, Error> {
    let failed = |reason: &str| Some(JobResult::Failed { reason: reason.to_owned() });
    if record.transcoder.is_some_and(|transcoder| transcoder != state.transcoder.kind()) {
        let age = record.in_progress_since().and_then(|since| SystemTime::now().duration_since(since).ok());
        return Ok(if age.is_some_and(|age| age > OTHER_TRANSCODER_TIMEOUT) {
            failed("the job is on a transcoder that is no longer in use")
        } else {
            None
        });
    }
    Ok(match state.transcoder.look_up(job_id).await? {
        None => failed("the transcoder no longer knows the job"),
        Some(JobResult::Progressing { .. }) => None,
        ended => ended,
    })
}
