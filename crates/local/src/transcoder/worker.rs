//! Takes submitted jobs in turn, runs ffmpeg for each, and commits output, final state and event in one transaction.

use std::collections::VecDeque;
use std::time::Duration;

use rusqlite::Transaction;
use serde_json::Value;
use tokio::task::JoinSet;

use super::ffmpeg::{self, Media};
use super::jobs::{self, Job, Outcome, Service};
use super::{Transcoder, elastictranscoder, mediaconvert, now};
use crate::events;
use crate::s3::{Attributes, Cause, Expected, Object, Sealed, StoreError};

/// The wait before the database is asked again after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a job ended without an output.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the input does not exist")]
    InputMissing,
    #[error("the output exists")]
    OutputExists,
    #[error("the bucket `{0}` does not exist")]
    BucketMissing(String),
    #[error(transparent)]
    Transcoding(#[from] ffmpeg::Error),
    #[error("The output could not be stored: {0}")]
    Storing(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::PreconditionFailed => Self::OutputExists,
            StoreError::NoSuchBucket(name) => Self::BucketMissing(name),
            error => Self::Storing(error),
        }
    }
}

/// Works on jobs until `shutdown` is done; ffmpeg is killed then, and what it was at starts again the next time.
///
/// Jobs run in the order of their submission. One that was cut off runs first, and its start is told only once.
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
    let mut cut_off = VecDeque::from(persist(|| transcoder.database.read(jobs::unfinished)).await);
    loop {
        while running.len() < transcoder.settings.jobs_at_once.get() {
            let job = match cut_off.pop_front() {
                Some(job) => Some(job),
                None => persist(|| transcoder.start_next()).await,
            };
            let Some(job) = job else { break };
            running.spawn(run(transcoder.clone(), job));
        }
        tokio::select! {
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a job broke off; it starts again at the next start");
                }
            }
            _ = commits.changed() => {}
        }
    }
}

/// Repeats what must not be given up; a full disk, for one, may be helped.
async fn persist<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => tracing::error!(%error, "the transcoder's database failed; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn run(transcoder: Transcoder, job: Job) {
    tracing::info!(job.id, "transcoding");
    let result = match transcoder.produce(&job).await {
        Ok((media, content)) => transcoder.deliver(&job, media, content),
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => tracing::info!(job.id, "transcoded"),
        Err(failure) => {
            tracing::warn!(job.id, error = %failure, "transcoding failed");
            let outcome = job.service.fault(&job, &failure);
            persist(|| transcoder.give_up(&job, &outcome)).await;
        }
    }
}

impl Transcoder {
    fn start_next(&self) -> rusqlite::Result<Option<Job>> {
        // Every transaction, even one that changes nothing, wakes those who wait for commits, and so this loop.
        if !self.database.read(jobs::any_submitted)? {
            return Ok(None);
        }
        self.database.transaction(|tx| {
            let job = jobs::start_next(tx, now())?;
            if let Some(job) = &job {
                self.announce(tx, job)?;
            }
            Ok(job)
        })
    }

    async fn produce(&self, job: &Job) -> Result<(Media, Sealed), Failure> {
        loop {
            let input = self.input(job)?;
            if !job.service.overwrites() && self.store.find(&job.output.bucket, &job.output.key)?.is_some() {
                return Err(Failure::OutputExists);
            }
            let staged = self.store.stage()?;
            let result = self.settings.ffmpeg.transcode(&input.path, staged.path()).await;
            match result {
                Ok(media) => {
                    let content = staged.seal().await.map_err(StoreError::Files)?;
                    return Ok((media, content));
                }
                // The file is gone when the input was replaced meanwhile; the new one is what is asked for now.
                Err(_) if self.input(job)?.path != input.path => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn input(&self, job: &Job) -> Result<Object, Failure> {
        let input = self.store.find(&job.input.bucket, &job.input.key)?;
        input.ok_or(Failure::InputMissing)
    }

    fn deliver(&self, job: &Job, media: Media, content: Sealed) -> Result<(), Failure> {
        let attributes = Attributes { content_type: Some("video/mp4".to_owned()), ..Attributes::default() };
        let (bucket, key) = (&job.output.bucket, &job.output.key);
        self.store.change(|change| {
            if !job.service.overwrites() {
                change.expect(bucket, key, &Expected::Absent)?;
            }
            if let Some(job) = jobs::finish(change, &job.id, &Outcome::Done(media), now())? {
                change.put(bucket, key, content, &attributes, Cause::Put)?;
                self.announce(change, &job)?;
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    fn give_up(&self, job: &Job, outcome: &Outcome) -> rusqlite::Result<()> {
        self.database.transaction(|tx| {
            if let Some(job) = jobs::finish(tx, &job.id, outcome, now())? {
                self.announce(tx, &job)?;
            }
            Ok(())
        })
    }

    fn announce(&self, tx: &Transaction<'_>, job: &Job) -> rusqlite::Result<()> {
        match job.service.event(self, tx, job)? {
            Some(event) => events::enqueue(tx, &event),
            None => Ok(()),
        }
    }
}

impl Service {
    fn overwrites(self) -> bool {
        self == Self::MediaConvert
    }

    fn fault(self, job: &Job, failure: &Failure) -> Outcome {
        match self {
            Self::ElasticTranscoder => elastictranscoder::fault(job, failure),
            Self::MediaConvert => mediaconvert::fault(job, failure),
        }
    }

    /// What the service tells of a job's new state; `None` when nobody asked to be told.
    fn event(self, transcoder: &Transcoder, tx: &Transaction<'_>, job: &Job) -> rusqlite::Result<Option<Value>> {
        match self {
            Self::ElasticTranscoder => elastictranscoder::event(transcoder, tx, job),
            Self::MediaConvert => Ok(Some(mediaconvert::event(transcoder, job))),
        }
    }
}
