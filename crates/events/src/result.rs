//! A job's result: recorded for the upload that the job carries in its metadata.

use std::time::SystemTime;

use video_core::TranscoderKind;
use video_core::ids::ObjectKey;
use video_core::job::{JobEvent, JobResult};
use video_core::records::{Applied, RecordId};
use video_core::transcoder::Transcoder;

use crate::announce;
use crate::decode::JobStateChange;
use crate::erase;
use crate::error::Error;
use crate::state::State;
use crate::upload;

/// Records a job's result. Jobs that are not ours, and results that come too late to matter, change nothing.
pub async fn job_changed(state: &State, change: JobStateChange) -> Result<(), Error> {
    let JobStateChange { transcoder, job_id, metadata, result } = change;
    let Some(sequencer) = metadata.sequencer else {
        tracing::info!(job.id = job_id, "the job is not ours");
        return Ok(());
    };
    let Some(key) = key(state, &job_id, metadata.key).await? else {
        tracing::warn!(job.id = job_id, "the job names no upload");
        return Ok(());
    };
    let Some(result) = known_result(state, transcoder, &job_id, result).await? else {
        tracing::warn!(job.id = job_id, video.key = %key, "neither the event nor the job names a result");
        return Ok(());
    };
    let Some(id) = state.table.find(&key).await? else {
        tracing::warn!(job.id = job_id, video.key = %key, "the job's record was deleted");
        return erase::late_result(state, &key, &result, None).await;
    };
    let event = JobEvent { sequencer, transcoder, job_id, result };
    let Some(applied) = record(state, &id, &event).await? else { return Ok(()) };
    let (changed, record, result) = (applied.changed, applied.record, &event.result);
    tracing::info!(job.id = event.job_id, video.key = %key, job.result = ?result, changed, "a job changed its state");
    if !changed {
        erase::late_result(state, &key, &event.result, record.as_ref()).await?;
    }
    match record {
        Some(record) => announce::announce_record(state, &record).await,
        None => Ok(()),
    }
}

/// Records a result; none where another job takes the place of this one.
pub async fn record(state: &State, id: &RecordId, event: &JobEvent) -> Result<Option<Applied>, Error> {
    if upload::replace_job(state, id, event).await? {
        return Ok(None);
    }
    let mut event = event.clone();
    if let Some(max_video) = state.config.max_video {
        event.result = max_video.apply(event.result);
    }
    Ok(Some(state.table.job_changed(id, &event, SystemTime::now()).await?))
}

/// Returns the result: from the event, or, where it names none, from the job itself. What even the job does not tell is
/// left to the sweep.
async fn known_result(
    state: &State,
    transcoder: TranscoderKind,
    job_id: &str,
    in_event: Option<JobResult>,
) -> Result<Option<JobResult>, Error> {
    match in_event {
        None if transcoder == state.transcoder.kind() => Ok(state.transcoder.look_up(job_id).await?),
        in_event => Ok(in_event),
    }
}

/// Returns the upload's key: from the metadata, or, where it was too long for that, from the job itself.
async fn key(state: &State, job_id: &str, in_metadata: Option<ObjectKey>) -> Result<Option<ObjectKey>, Error> {
    match (in_metadata, &state.transcoder) {
        (Some(key), _) => Ok(Some(key)),
        (None, Transcoder::MediaConvert(service)) => Ok(service.input_key(job_id).await?),
        (None, Transcoder::ElasticTranscoder(_)) => Ok(None),
    }
}
