//! The sweep: finds stuck videos and settles them. It runs on a schedule and asks the transcoder, in case an event
//! never came.

use std::time::{Duration, SystemTime};

use video_core::ids::ObjectKey;
use video_core::job::{JobEvent, JobResult};
use video_core::records::{Record, RecordId, SHARDS, Status, Upload};
use video_core::time::{epoch_seconds, parse_rfc3339};

use crate::{Error, State, upload};

/// Younger uploads are left to their own events and to Lambda's retries, which end after three minutes.
const MIN_AGE: Duration = Duration::from_mins(10);
/// Records of one shard in one sweep; the next sweep goes on with what is still open.
const BATCH_SIZE: i32 = 100;
/// A sweep ends before the function's time does.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Settles stuck videos. What cannot be settled now is left to the next sweep, so this never fails as a whole.
pub async fn sweep(state: &State) {
    let mut summary = Summary::default();
    // On the heap: one future of everything that may happen to a video is deep.
    let in_time = tokio::time::timeout(TIMEOUT, Box::pin(summary.every_shard(state))).await.is_ok();
    let Summary { found, failed } = summary;
    if in_time {
        tracing::info!(sweep.found = found, sweep.failed = failed, "the sweep is done");
    } else {
        tracing::warn!(sweep.found = found, sweep.failed = failed, "the sweep ran out of time");
    }
}

/// What a sweep found.
#[derive(Default)]
struct Summary {
    /// Videos in progress.
    found: usize,
    /// Those that could not be settled, and shards that could not be looked through.
    failed: usize,
}

impl Summary {
    async fn every_shard(&mut self, state: &State) {
        for shard in shards(SystemTime::now()) {
            match state.table.in_progress_before(shard, SystemTime::now() - MIN_AGE, BATCH_SIZE).await {
                Ok(open) => self.every_video(state, open).await,
                Err(error) => {
                    self.failed += 1;
                    tracing::warn!(error.message = %error, "videos in progress could not be listed");
                }
            }
        }
    }

    async fn every_video(&mut self, state: &State, open: Vec<RecordId>) {
        for id in open {
            self.found += 1;
            if let Err(error) = settle(state, &id).await {
                self.failed += 1;
                tracing::warn!(error.message = %error, "a video could not be settled");
            }
        }
    }
}

/// Returns every shard, starting with another one each time, so that none is starved by those before it.
fn shards(now: SystemTime) -> impl Iterator<Item = &'static str> {
    let minutes = usize::try_from(epoch_seconds(now) / 60).unwrap_or_default();
    SHARDS.into_iter().cycle().skip(minutes % SHARDS.len()).take(SHARDS.len())
}

/// Takes one record in progress as far as it goes: to its job, or to its job's end.
async fn settle(state: &State, id: &RecordId) -> Result<(), Error> {
    let Some(record) = state.table.get(id).await? else {
        return Ok(());
    };
    match (record.status, &record.job_id, claimed_upload(&record)) {
        (Some(Status::Uploaded), None, Some(upload)) => upload::process(state, id, &upload).await,
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
    let transcoder = state.transcoder.kind();
    if record.transcoder != Some(transcoder) {
        tracing::warn!(video.key = %upload.key, job.id = job_id, "the job is on a transcoder that is no longer in use");
        return Ok(());
    }
    let unknown = || JobResult::Failed { reason: "the transcoder no longer knows the job".to_owned() };
    let result = state.transcoder.look_up(job_id).await?.unwrap_or_else(unknown);
    if result == JobResult::Progressing {
        return Ok(());
    }
    let event = JobEvent { sequencer: upload.sequencer.clone(), transcoder, job_id: job_id.to_owned(), result };
    let applied = state.table.job_changed(id, &event, SystemTime::now()).await?;
    tracing::info!(video.key = %upload.key, job.id = job_id, job.result = ?event.result, applied, "a lost result is recorded");
    Ok(())
}

/// Returns the upload that a record was claimed for.
fn claimed_upload(record: &Record) -> Option<Upload> {
    Some(Upload {
        key: ObjectKey::from_decoded(record.uploaded_key.as_deref()?).ok()?,
        sequencer: record.sequencer.as_deref()?.parse().ok()?,
        size: record.size.unwrap_or_default(),
        uploaded_at: parse_rfc3339(record.uploaded_at.as_deref()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_visits_every_shard_once_and_begins_elsewhere_each_quarter_of_an_hour() {
        let at = |minutes: u64| shards(SystemTime::UNIX_EPOCH + Duration::from_mins(minutes)).collect::<Vec<_>>();
        let mut all = at(15);
        all.sort_unstable();
        assert_eq!(all, SHARDS);
        assert_ne!(at(15)[0], at(30)[0]);
    }
}
