//! The worker: starts submitted jobs in turn, runs ffmpeg for each, and commits output, final state and event in one
//! transaction.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use rusqlite::Transaction;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use video_core::TranscoderKind;

use super::clip::clip;
use super::failure::JobFailure;
use super::ffmpeg::Media;
use super::frame::{Frame, frames};
use super::jobs::{self, Job, Outcome};
use super::progress::report;
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
    let result = transcoded.and_then(|transcoded| complete(&transcoder, &job, transcoded));
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

/// The files of a job that has ended well.
struct Transcoded {
    media: Media,
    content: SealedFile,
    pictures: Vec<(Frame, SealedFile)>,
}

async fn transcode(transcoder: &Transcoder, job: &Job) -> Result<Transcoded, JobFailure> {
    let Transcoder { store, settings, .. } = transcoder;
    loop {
        let input = find_input(transcoder, job)?;
        if !overwrites(job.service) && store.find(&job.output.bucket, &job.output.key)?.is_some() {
            return Err(JobFailure::OutputExists);
        }
        let staged = store.stage()?;
        let progress = watch::Sender::new(None);
        let media = tokio::select! {
            media = settings.ffmpeg.transcode(&input.path, clip(job), staged.path(), &progress) => media,
            () = report(transcoder, job, &progress) => continue,
        };
        match media {
            Ok(media) => {
                let pictures = pictures(transcoder, job, &media, staged.path()).await?;
                let content = staged.seal().await.map_err(StoreError::Files)?;
                return Ok(Transcoded { media, content, pictures });
            }
            // The file is deleted when the input is replaced meanwhile; then the new input is transcoded.
            Err(_) if find_input(transcoder, job)?.path != input.path => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes the pictures that a job asks for; a video without a usable frame has none.
async fn pictures(
    transcoder: &Transcoder,
    job: &Job,
    media: &Media,
    video: &Path,
) -> Result<Vec<(Frame, SealedFile)>, JobFailure> {
    let mut pictures = Vec::new();
    for frame in frames(job, media) {
        let staged = transcoder.store.stage()?;
        let ffmpeg = &transcoder.settings.ffmpeg;
        let made = ffmpeg.picture(video, frame.at, frame.format, frame.limits, staged.path()).await;
        let is_empty = tokio::fs::metadata(staged.path()).await.map_or(true, |file| file.len() == 0);
        match made {
            Ok(()) if !is_empty => pictures.push((frame, staged.seal().await.map_err(StoreError::Files)?)),
            Ok(()) => tracing::warn!(job.id, "the video has no frame for a picture"),
            Err(error) => tracing::warn!(job.id, %error, "a picture could not be made"),
        }
    }
    Ok(pictures)
}

fn find_input(transcoder: &Transcoder, job: &Job) -> Result<Object, JobFailure> {
    let input = transcoder.store.find(&job.input.bucket, &job.input.key)?;
    input.ok_or(JobFailure::InputMissing)
}

fn complete(transcoder: &Transcoder, job: &Job, transcoded: Transcoded) -> Result<(), JobFailure> {
    let Transcoded { media, content, pictures } = transcoded;
    let of_type =
        |content_type: &str| Attributes { content_type: Some(content_type.to_owned()), ..Attributes::default() };
    let (bucket, key) = (&job.output.bucket, &job.output.key);
    transcoder.store.transaction(|tx| {
        if !overwrites(job.service) {
            tx.check(bucket, key, &Precondition::NotExists)?;
        }
        let keys = pictures.iter().map(|(frame, _)| frame.location.key.clone()).collect();
        let outcome = Outcome::Done { media, pictures: keys };
        if let Some(job) = jobs::finish(tx, &job.id, &outcome, now_millis())? {
            tx.put(bucket, key, content, &of_type("video/mp4"), EventName::Put)?;
            for (Frame { location, format, .. }, picture) in pictures {
                let attributes = of_type(format.content_type());
                tx.put(&location.bucket, &location.key, picture, &attributes, EventName::Put)?;
            }
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
