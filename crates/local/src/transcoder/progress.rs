//! Reports of a job that runs: MediaConvert's `STATUS_UPDATE`. Elastic Transcoder has none.

use tokio::sync::watch;
use video_core::TranscoderKind;

use super::ffmpeg::Progress;
use super::jobs::{self, Job};
use super::mediaconvert;
use super::state::Transcoder;
use crate::event_queue;

/// Reports a job's progress as often as the job asks for it, until dropped.
pub(super) async fn report(transcoder: &Transcoder, job: &Job, progress: &watch::Sender<Option<Progress>>) {
    if job.service != TranscoderKind::MediaConvert {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(mediaconvert::status_update_interval(job)).await;
        let current = *progress.borrow();
        let reported = current.map_or(Ok(()), |current| enqueue(transcoder, job, current));
        if let Err(error) = reported {
            tracing::warn!(job.id, %error, "a job's progress could not be reported");
        }
    }
}

fn enqueue(transcoder: &Transcoder, job: &Job, progress: Progress) -> rusqlite::Result<()> {
    transcoder.database.transaction(|tx| {
        // It may have been canceled meanwhile.
        if jobs::is_progressing(tx, &job.id)? {
            event_queue::enqueue(tx, &mediaconvert::status_update_event(transcoder, job, progress))?;
        }
        Ok(())
    })
}
