//! An upload: claimed, submitted to the transcoder, recorded. Events come at least once and in any order.

use std::time::SystemTime;

use video_core::job::Job;
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
    let claim = state.table.claim(id, upload, SystemTime::now(), state.lease()).await?;
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
            Box::pin(transcode(state, id, &job(first && !RecordId::is_placeholder(&id.mail)))).await
        }
        Claim::TakenOver { since } => {
            Box::pin(take_over(state, id, &job(false), since.unwrap_or(upload.uploaded_at))).await
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
        Ok(job_id) => record_job(state, id, job, &job_id).await,
        Err(SubmitError::Rejected(reason)) => {
            tracing::error!(video.key = %job.key, reason, "the transcoder rejected an upload");
            state.table.job_rejected(id, &job.sequencer, state.transcoder.kind(), &reason, SystemTime::now()).await?;
            announce::announce(state, id).await
        }
        Err(SubmitError::Unavailable(error)) => release_lease(state, id, job, error).await,
        // The lease is kept: by its end whatever is on its way has arrived, and the next try finds the job.
        Err(SubmitError::Unknown(error)) => Err(error.into()),
    }
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
