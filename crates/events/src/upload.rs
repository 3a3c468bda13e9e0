//! An upload: claimed, submitted to the transcoder, recorded. Events come at least once and in any order.

use std::time::SystemTime;

use video_core::job::{Job, JobEvent};
use video_core::metrics::{self, Metric};
use video_core::records::{Claim, RecordId};
use video_core::transcoder::SubmitError;
use video_core::upload::Upload;

use crate::announce;
use crate::decode::Uploaded;
use crate::erase;
use crate::error::Error;
use crate::state::State;

/// Finds the record of an upload and takes it through the pipeline.
pub async fn uploaded(state: &State, event: Uploaded) -> Result<(), Error> {
    let Uploaded { bucket, upload } = event;
    if bucket != state.config.media_bucket {
        tracing::warn!(s3.bucket = bucket, "an event of another bucket is ignored");
        return Ok(());
    }
    match state.table.find_or_adopt(&upload.key, SystemTime::now()).await? {
        Some(id) => process(state, &id, &upload).await,
        None => erase::late_upload(state, &upload.key).await,
    }
}

/// Takes one upload through the pipeline as far as this invocation may.
pub async fn process(state: &State, id: &RecordId, upload: &Upload) -> Result<(), Error> {
    let claim = state.table.claim(id, upload, SystemTime::now(), state.claim_terms()).await?;
    tracing::info!(video.key = %upload.key, video.sequencer = %upload.sequencer, ?claim, "upload claimed");

    let job = |plain_name| Job {
        bucket: state.config.media_bucket.clone(),
        key: upload.key.clone(),
        sequencer: upload.sequencer.clone(),
        plain_name,
    };
    match claim {
        // A placeholder's upload and a person's may have the same key, and must not have the same result.
        Claim::Acquired { first } => {
            metrics::count(Metric::Uploads);
            Box::pin(transcode(state, id, &job(first && !RecordId::is_placeholder(&id.mail)))).await
        }
        Claim::TakenOver { since } => {
            Box::pin(take_over(state, id, &job(false), since.unwrap_or(upload.uploaded_at))).await
        }
        Claim::LimitReached => {
            let limit = state.config.max_uploads_per_day;
            reject(state, id, &job(false), &format!("more than {limit} uploads of this video on one day")).await
        }
        Claim::AlreadyHandled => Ok(()),
        Claim::LeaseHeld => Err(Error::LeaseHeld(upload.key.to_string())),
        Claim::Deleting => erase::late_upload(state, &upload.key).await,
        Claim::RecordDeleted => Err(Error::RecordDeleted(upload.key.to_string())),
    }
}

/// Searches for the job first: the invocation that had the upload may have died after it created one.
async fn take_over(state: &State, id: &RecordId, job: &Job, since: SystemTime) -> Result<(), Error> {
    match state.transcoder.find(job, since).await {
        Ok(Some(job_id)) => record_job(state, id, job, &job_id).await,
        Ok(None) => transcode(state, id, job).await,
        Err(error) => release_lease(state, id, job, error).await,
    }
}

async fn transcode(state: &State, id: &RecordId, job: &Job) -> Result<(), Error> {
    match state.transcoder.submit(job).await {
        Ok(job_id) => {
            metrics::count(Metric::Jobs);
            record_job(state, id, job, &job_id).await
        }
        Err(SubmitError::Rejected(reason)) => reject(state, id, job, &reason).await,
        Err(SubmitError::Unavailable(error)) => release_lease(state, id, job, error).await,
        // The lease is kept: by its end whatever is on its way has arrived, and the next try finds the job.
        Err(SubmitError::Unknown(error)) => Err(error.into()),
    }
}

/// Gives an upload a second job where the first one failed because its output's name was taken: by a copy that nobody
/// asked for, or by a result whose record was lost. Once, since the second one is named after its own retry. False when
/// this is no such failure, or not the record's newest job.
pub async fn replace_job(state: &State, id: &RecordId, event: &JobEvent) -> Result<bool, Error> {
    if !event.result.is_output_taken() || event.sequencer.is_retry() {
        return Ok(false);
    }
    let (Some(record), Some(next)) = (state.table.get(id).await?, event.sequencer.next_retry()) else {
        return Ok(false);
    };
    let is_own_job = record.job_id.as_ref().is_none_or(|own| *own == event.job_id);
    let is_newest = record.sequencer().as_ref() == Some(&event.sequencer);
    let Some(upload) = record.upload().filter(|_| is_newest && is_own_job && record.in_progress()) else {
        return Ok(false);
    };
    if !state.table.retry(id, (&event.sequencer, &next), SystemTime::now()).await? {
        return Ok(false);
    }
    tracing::warn!(video.key = %upload.key, job.id = event.job_id, "the output's name was taken; another job follows");
    Box::pin(process(state, id, &Upload { sequencer: next, ..upload })).await?;
    Ok(true)
}

/// Ends an upload that gets no job.
async fn reject(state: &State, id: &RecordId, job: &Job, reason: &str) -> Result<(), Error> {
    tracing::error!(video.key = %job.key, reason, "an upload was rejected");
    state.table.job_rejected(id, &job.sequencer, state.transcoder.kind(), reason, SystemTime::now()).await?;
    announce::announce(state, id).await
}

async fn record_job(state: &State, id: &RecordId, job: &Job, job_id: &str) -> Result<(), Error> {
    let recorded =
        state.table.job_submitted(id, &job.sequencer, state.transcoder.kind(), job_id, SystemTime::now()).await?;
    tracing::info!(video.key = %job.key, job.id = job_id, recorded, "job submitted");
    Ok(())
}

/// Releases the lease, so that the next try need not wait for it. If even that fails, the lease ends by itself.
async fn release_lease(state: &State, id: &RecordId, job: &Job, error: video_core::Error) -> Result<(), Error> {
    if let Err(second) = state.table.release_lease(id, &job.sequencer).await {
        tracing::warn!(video.key = %job.key, error.message = %second, "a lease could not be released");
    }
    Err(error.into())
}
