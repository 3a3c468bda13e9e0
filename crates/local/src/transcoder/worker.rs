//! The worker: starts submitted jobs in turn, runs ffmpeg for each, and commits output, final state and event in one
//! transaction.

use std::collections::VecDeque;
use std::time::Duration;

use rusqlite::Transaction;
use serde_json::Value;
use tokio::task::JoinSet;
use video_core::TranscoderKind;

use super::failure::JobFailure;
use super::ffmpeg::Media;
use super::jobs::{self, Job, Outcome};
use super::state::Transcoder;
use super::{elastictranscoder, mediaconvert};
use crate::event_queue;
use crate::s3::{Attributes, EventName, Object, Precondition, SealedFile, StoreError};
use crate::timestamps::now_millis;

/// The wait before the database is tried again after an error.
const DATABASE_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Runs jobs until `shutdown`, which kills ffmpeg; interrupted jobs start again the next time.
///
/// Jobs run in the order of their submission, interrupted ones first; an interrupted job's start is not notified twice.
pub async fn work(transcoder: Transcoder, shutdown: impl Future<Output = ()>) {
    let mut running = JoinSet::new();
    tokio::select! {
        () = shutdown => {}
        () = dispatch(&transcoder, &mut running) => {}
    }
    running.shutdown().await;
}

async fn dispatch(transcoder: &Transcoder, running: &mut JoinSet<()>) {
    let mut commits = transcoder.database.commits();
    let mut interrupted = VecDeque::from(retry_until_ok(|| transcoder.database.read(jobs::progressing)).await);
    loop {
        while running.len() < transcoder.settings.concurrent_jobs.get() {
            let job = match interrupted.pop_front() {
                Some(job) => Some(job),
                None => retry_until_ok(|| start_next(transcoder)).await,
            };
            let Some(job) = job else { break };
            running.spawn(run(transcoder.clone(), job));
        }
        tokio::select! {
            Some(finished) = running.join_next() => {
                if let Err(error) = finished {
                    tracing::error!(%error, "a job crashed; it starts again at the next start");
                }
            }
            _ = commits.changed() => {}
        }
    }
}

/// Retries for ever what must not be skipped; a full disk, for example, may be fixed meanwhile.
async fn retry_until_ok<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => tracing::error!(%error, "the transcoders' database failed; retrying"),
        }
        tokio::time::sleep(DATABASE_RETRY_DELAY).await;
    }
}

fn start_next(transcoder: &Transcoder) -> rusqlite::Result<Option<Job>> {
    // Every transaction, even one that changes nothing, wakes the subscribers of commits, this loop among them.
    if !transcoder.database.read(jobs::any_submitted)? {
        return Ok(None);
    }
    transcoder.database.transaction(|tx| {
        let job = jobs::start_next(tx, now_millis())?;
        if let Some(job) = &job {
            enqueue_event(transcoder, tx, job)?;
        }
        Ok(job)
    })
}

async fn run(transcoder: Transcoder, job: Job) {
    tracing::info!(job.id, "transcoding");
    let transcoded = tokio::select! {
        transcoded = transcode(&transcoder, &job) => transcoded,
        // Dropping the other future kills ffmpeg and deletes its output.
        () = canceled(&transcoder, &job) => {
            tracing::info!(job.id, "canceled");
            return;
        }
    };
    let result = transcoded.and_then(|(media, content)| complete(&transcoder, &job, media, content));
    match result {
        Ok(()) => tracing::info!(job.id, "transcoded"),
        Err(failure) => {
            tracing::warn!(job.id, error = %failure, "transcoding failed");
            let outcome = failed_outcome(&job, &failure);
            retry_until_ok(|| fail(&transcoder, &job, &outcome)).await;
        }
    }
}

/// Waits until the job is canceled.
async fn canceled(transcoder: &Transcoder, job: &Job) {
    let mut commits = transcoder.database.commits();
    while !retry_until_ok(|| transcoder.database.read(|db| jobs::is_canceled(db, &job.id))).await {
        // The database lives as long as `transcoder`, so the channel is never closed.
        commits.changed().await.ok();
    }
}

async fn transcode(transcoder: &Transcoder, job: &Job) -> Result<(Media, SealedFile), JobFailure> {
    let Transcoder { store, settings, .. } = transcoder;
    loop {
        let input = find_input(transcoder, job)?;
        if !overwrites(job.service) && store.find(&job.output.bucket, &job.output.key)?.is_some() {
            return Err(JobFailure::OutputExists);
        }
        let staged = store.stage()?;
        match settings.ffmpeg.transcode(&input.path, staged.path()).await {
            Ok(media) => {
                let content = staged.seal().await.map_err(StoreError::Files)?;
                return Ok((media, content));
            }
            // The file is deleted when the input is replaced meanwhile; then the new input is transcoded.
            Err(_) if find_input(transcoder, job)?.path != input.path => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn find_input(transcoder: &Transcoder, job: &Job) -> Result<Object, JobFailure> {
    let input = transcoder.store.find(&job.input.bucket, &job.input.key)?;
    input.ok_or(JobFailure::InputMissing)
}

fn complete(transcoder: &Transcoder, job: &Job, media: Media, content: SealedFile) -> Result<(), JobFailure> {
    let attributes = Attributes { content_type: Some("video/mp4".to_owned()), ..Attributes::default() };
    let (bucket, key) = (&job.output.bucket, &job.output.key);
    transcoder.store.transaction(|tx| {
        if !overwrites(job.service) {
            tx.check(bucket, key, &Precondition::NotExists)?;
        }
        if let Some(job) = jobs::finish(tx, &job.id, &Outcome::Done(media), now_millis())? {
            tx.put(bucket, key, content, &attributes, EventName::Put)?;
            enqueue_event(transcoder, tx, &job)?;
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(())
}

fn fail(transcoder: &Transcoder, job: &Job, outcome: &Outcome) -> rusqlite::Result<()> {
    transcoder.database.transaction(|tx| {
        if let Some(job) = jobs::finish(tx, &job.id, outcome, now_millis())? {
            enqueue_event(transcoder, tx, &job)?;
        }
        Ok(())
    })
}

fn enqueue_event(transcoder: &Transcoder, tx: &Transaction<'_>, job: &Job) -> rusqlite::Result<()> {
    match event(transcoder, tx, job)? {
        Some(event) => event_queue::enqueue(tx, &event),
        None => Ok(()),
    }
}

/// Returns the service's event for the job's state, or `None` if nobody subscribed to it.
fn event(transcoder: &Transcoder, tx: &Transaction<'_>, job: &Job) -> rusqlite::Result<Option<Value>> {
    match job.service {
        TranscoderKind::ElasticTranscoder => elastictranscoder::notification(transcoder, tx, job),
        TranscoderKind::MediaConvert => Ok(Some(mediaconvert::state_change_event(transcoder, job))),
    }
}

fn failed_outcome(job: &Job, failure: &JobFailure) -> Outcome {
    match job.service {
        TranscoderKind::ElasticTranscoder => elastictranscoder::failed_outcome(job, failure),
        TranscoderKind::MediaConvert => mediaconvert::failed_outcome(job, failure),
    }
}

fn overwrites(service: TranscoderKind) -> bool {
    service == TranscoderKind::MediaConvert
}
