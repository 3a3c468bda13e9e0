//! The admin's retry: a failed or stuck video goes through the pipeline again.
//!
//! S3 copies the upload onto itself. That is a new upload to everyone: S3 tells the events function of it, with a
//! sequencer of its own, so a retry takes the same way as any other upload and needs no state of its own.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::{MetadataDirective, ObjectCannedAcl};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use video_core::ids::{ObjectKey, project_step};
use video_core::records::{Record, RecordId, Status};
use video_core::time::parse_rfc3339;

use crate::error::Error;
use crate::extract::{Admin, Query, project_and_step};
use crate::state::{App, AppState};

/// Lambda's own retries end after three minutes, and most jobs take less than this.
const STUCK_AFTER: Duration = Duration::from_mins(15);

/// `POST /videos/{project}/{step}/retry?mail=`: 202 with the record as it is before the retry.
pub async fn retry(
    _admin: Admin,
    Shared(state): Shared<AppState>,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<(StatusCode, Json<Record>), Error> {
    let (project, step) = project_and_step(path)?;
    let mail = Query::new(query.as_deref()).record_mail()?;
    let id = RecordId { project_step: project_step(&project, step), mail };
    let record = state.table.get(&id).await?.ok_or(Error::NotFound("there is no such video"))?;
    let key = retryable(&record, SystemTime::now())?;
    state.copy_onto_itself(key).await?;
    tracing::info!(video.key = key, "retry requested");
    Ok((StatusCode::ACCEPTED, Json(record)))
}

/// Returns the upload to retry; an error for a video that is ready, in progress or was never uploaded.
fn retryable(record: &Record, now: SystemTime) -> Result<&str, Error> {
    let key = record.uploaded_key.as_deref().ok_or(Error::Conflict("nothing was uploaded for this video yet"))?;
    let changed = record.updated_at.as_deref().and_then(parse_rfc3339);
    let is_stuck = changed.is_none_or(|changed| now.duration_since(changed).is_ok_and(|since| since > STUCK_AFTER));
    match record.status {
        Some(Status::Failed) => Ok(key),
        Some(Status::Uploaded | Status::Transcoding) if is_stuck => Ok(key),
        Some(Status::Ready) => Err(Error::Conflict("the video is ready")),
        _ => Err(Error::Conflict("the video is still in progress")),
    }
}

impl App {
    async fn copy_onto_itself(&self, key: &str) -> Result<(), Error> {
        let media = &self.media;
        let copy = self.s3.copy_object().bucket(&media.name).key(key).copy_source(media.copy_source(key));
        // S3 refuses a copy onto itself that changes nothing, so the Content-Type is said again; an ACL is never
        // copied.
        let content_type = ObjectKey::from_decoded(key).map_or("application/octet-stream", |key| key.content_type());
        let acl = self.upload.acl.as_deref().map(ObjectCannedAcl::from);
        let copy = copy.metadata_directive(MetadataDirective::Replace).content_type(content_type).set_acl(acl);
        match copy.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 404) => {
                Err(Error::Conflict("the upload is no longer in the bucket"))
            }
            Err(error) => Err(video_core::Error::unavailable("S3", "CopyObject", &error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use video_core::time::rfc3339;

    use super::*;

    fn record(status: &str, age: Duration, uploaded: bool) -> Record {
        let key = uploaded.then_some("p/0/x.webm");
        let changed = rfc3339(SystemTime::now() - age);
        serde_json::from_value(json!({
            "ProjectStep": "p-0", "Mail": "a@b", "video": "p/0/x.webm", "status": status, "updatedAt": changed, "uploadedKey": key,
        }))
        .unwrap()
    }

    #[test]
    fn only_a_failed_or_stuck_upload_can_be_retried() {
        let (young, old) = (Duration::from_mins(1), Duration::from_mins(16));
        for (status, age, uploaded, allowed) in [
            ("failed", young, true, true),
            ("uploaded", old, true, true),
            ("transcoding", old, true, true),
            ("uploaded", young, true, false),
            ("transcoding", young, true, false),
            ("ready", old, true, false),
            ("requested", old, true, false),
            ("failed", old, false, false),
        ] {
            let record = record(status, age, uploaded);
            assert_eq!(retryable(&record, SystemTime::now()).is_ok(), allowed, "{status} {age:?} {uploaded}");
        }
    }
}
