//! The upload form.

use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State as Shared};
use video_core::aws::{PostPolicy, PresignedPost};
use video_core::ids::{ObjectKey, project_step};
use video_core::records::RecordId;

use crate::error::Error;
use crate::extract::{PROJECT_IS_EMPTY, Query, project_and_step};
use crate::state::{App, AppState};

/// `GET /presignedurl/{project}/{step}?mail=`: issues an upload form. The record is written first: a form without a
/// record is never issued.
pub async fn presigned_url(
    Shared(state): Shared<AppState>,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<PresignedPost>, Error> {
    let query = Query::new(query.as_deref());
    if query.is_empty() {
        return Err(Error::NotFound("No parameter has been sent"));
    }
    let mail = query.required_mail()?;
    let (project, step) = project_and_step(path)?;
    let media_type = query.media_type()?;

    let key = ObjectKey::of_upload(&project, step, &mail, media_type);
    let id = RecordId { project_step: project_step(&project, step), mail: mail.as_str().to_owned() };
    let now = SystemTime::now();
    if !state.table.record_form(&id, &key, now).await? {
        return Err(Error::Conflict("the video is being deleted"));
    }
    tracing::info!(video.key = %key, "upload form issued");
    Ok(Json(state.form(&key, media_type.content_type(), now)))
}

/// `/presignedurl//{step}`: checked in the original's order, where a missing mail comes before a missing project.
pub async fn presigned_url_without_project(RawQuery(query): RawQuery) -> Error {
    let query = Query::new(query.as_deref());
    if query.is_empty() {
        return Error::NotFound("No parameter has been sent");
    }
    query.required_mail().err().unwrap_or(PROJECT_IS_EMPTY)
}

impl App {
    /// Signs a form for one key and one media type.
    fn form(&self, key: &ObjectKey, content_type: &str, now: SystemTime) -> PresignedPost {
        let mut fields = vec![("Content-Type", content_type), ("success_action_status", "201")];
        fields.extend(self.upload.acl.as_deref().map(|acl| ("acl", acl)));
        let policy = PostPolicy {
            bucket: &self.media,
            key: key.as_str(),
            fields: &fields,
            length: Some(1..=self.upload.max_bytes),
            expires_in: self.upload.expires,
        };
        self.signer.presign_post(&policy, now)
    }
}
