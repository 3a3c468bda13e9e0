//! Erasing a video: its job is cancelled, everything of it leaves both buckets, then its record is deleted. Each step
//! can be repeated, and the record stays in the outbox until the last one, so that a crash anywhere is finished by the
//! sweep.

use std::time::{Duration, SystemTime};

use video_core::ids::ObjectKey;
use video_core::job::{JobResult, is_picture, poster_prefix, results_prefix};
use video_core::records::Record;

use crate::error::Error;
use crate::state::State;

/// How long a key's record must not come back: no form and no job of before lives so long. Forms end after seven days
/// at the latest, jobs and their events long before seven more.
const TOMBSTONE_TTL: Duration = Duration::from_hours(14 * 24);

/// Erases everything of a record that is marked.
pub async fn erase(state: &State, record: &Record) -> Result<(), Error> {
    if let Some(key) = record.key() {
        cancel_job(state, record).await?;
        state.storage.abort_multipart_uploads(&state.config.media_bucket, key.stem()).await?;
        // Before anything is listed: what arrives later meets the tombstone, what arrived before is in the listing.
        state.table.put_tombstone(&key, SystemTime::now() + TOMBSTONE_TTL).await?;
        delete_objects(state, &key, record).await?;
        tracing::info!(video.key = %key, "video erased");
    }
    state.table.delete(&record.id).await?;
    Ok(())
}

async fn cancel_job(state: &State, record: &Record) -> Result<(), Error> {
    match (&record.job_id, record.transcoder) {
        (Some(job_id), Some(kind)) if kind == state.transcoder.kind() => Ok(state.transcoder.cancel(job_id).await?),
        _ => Ok(()),
    }
}

async fn delete_objects(state: &State, key: &ObjectKey, record: &Record) -> Result<(), Error> {
    let (media, output) = (&state.config.media_bucket, &state.config.output_bucket);
    state.storage.delete_versions(media, key.stem(), |candidate| is_upload_of(candidate, key)).await?;
    let results = results_prefix(key);
    state.storage.delete_versions(output, &results, |candidate| is_result_of(candidate, &results)).await?;
    if let Some(result) = record.output.as_deref().filter(|result| !is_result_of(result, &results)) {
        state.storage.delete_versions(output, result, |candidate| candidate == result).await?;
    }
    Ok(())
}

/// Returns whether an object is one of the uploads of a key's record.
fn is_upload_of(candidate: &str, key: &ObjectKey) -> bool {
    match key.upload_prefix() {
        Some(prefix) => ObjectKey::from_decoded(candidate).is_ok_and(|key| key.upload_prefix() == Some(prefix)),
        None => candidate == key.as_str(),
    }
}

/// Returns whether an object is one of the results under a prefix: of this key, and not of a longer one.
fn is_result_of(candidate: &str, prefix: &str) -> bool {
    let rest = candidate.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(['.', '/']));
    rest.is_some_and(|rest| !rest.contains('/'))
}

/// Deletes an upload that arrived after its record was erased. Without a tombstone there is nothing to do: the erasure
/// will list the object.
pub async fn late_upload(state: &State, key: &ObjectKey) -> Result<(), Error> {
    if state.table.has_tombstone(key).await? {
        let is_key = |candidate: &str| candidate == key.as_str();
        state.storage.delete_versions(&state.config.media_bucket, key.as_str(), is_key).await?;
        tracing::warn!(video.key = %key, "an upload of an erased video was deleted");
    }
    Ok(())
}

/// Deletes a result that arrived after its record was erased, unless the record of a later form holds it.
pub async fn late_result(
    state: &State,
    key: &ObjectKey,
    result: &JobResult,
    record: Option<&Record>,
) -> Result<(), Error> {
    let JobResult::Ready(output) = result else { return Ok(()) };
    let is_recorded = record.is_some_and(|record| record.output.as_ref() == Some(&output.key));
    if !is_recorded && state.table.has_tombstone(key).await? {
        let bucket = &state.config.output_bucket;
        state.storage.delete_versions(bucket, &output.key, |candidate| candidate == output.key).await?;
        let results = results_prefix(key);
        if let Some(poster) = output.poster.as_deref().filter(|poster| is_result_of(poster, &results)) {
            // The event names one of a job's pictures.
            let is_poster = |candidate: &str| is_result_of(candidate, &results) && is_picture(candidate);
            state.storage.delete_versions(bucket, poster_prefix(poster), is_poster).await?;
        }
        tracing::warn!(video.key = %key, "a result of an erased video was deleted");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_erased_with_a_key_is_its_own_and_nothing_of_a_longer_name() {
        let key = |text: &str| ObjectKey::from_decoded(text).unwrap();
        let person = key("Alba/0/c5e866594d810c0c3e1f.webm");
        assert!(is_upload_of("Alba/0/c5e866594d810c0c3e1f.mp4", &person));
        for other in ["Alba/0/c5e866594d810c0c3e1f", "Alba/0/c5e866594d810c0c3e1f.webm/x.webm", "Alba/0/c5e8.webm"] {
            assert!(!is_upload_of(other, &person), "{other}");
        }
        let clip = key("clip.mov");
        assert!(is_upload_of("clip.mov", &clip) && !is_upload_of("clip.mp4", &clip));

        let results = results_prefix(&person);
        for own in [
            "output/web/Alba/0/c5e866594d810c0c3e1f.webm",
            "output/web/Alba/0/c5e866594d810c0c3e1f/0A-0001.mp4",
            "output/web/Alba/0/c5e866594d810c0c3e1f/0A-0001-poster.0000001.jpg",
            "output/web/Alba/0/c5e866594d810c0c3e1f/0A-poster-00001.png",
        ] {
            assert!(is_result_of(own, &results), "{own}");
        }
        for other in
            ["output/web/Alba/0/c5e866594d810c0c3e1ff.mp4", "output/web/Alba/0/c5e866594d810c0c3e1f/x.mp4/0A.mp4"]
        {
            assert!(!is_result_of(other, &results), "{other}");
        }
    }
}
