//! The upload form.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use video_core::aws::{PostPolicy, PresignedPost};
use video_core::config::MAX_POST_BYTES;
use video_core::ids::{MediaType, ObjectKey};

use crate::error::Error;
use crate::extract::{Access, PROJECT_IS_EMPTY, PathResult, ProjectAndStep, Query, project_and_step};
use crate::links::{UploadLink, VIDEO_DELETED};
use crate::state::{App, AppState};
use crate::upload_target::UploadTarget;

/// `GET /presignedurl/{project}/{step}?mail=`: issues an upload form. The record is written first: a form without a
/// record is never issued.
pub async fn presigned_url(
    access: Access,
    Shared(state): Shared<AppState>,
    path: PathResult<ProjectAndStep>,
    RawQuery(query): RawQuery,
) -> Result<Json<PresignedPost>, Error> {
    let query = Query::new(query.as_deref());
    if query.is_empty() {
        return Err(Error::NotFound("No parameter has been sent"));
    }
    let mail = query.required_mail()?;
    let (project, step) = project_and_step(path)?;
    let media_type = query.media_type()?;
    let target = UploadTarget { project, step, mail };
    Ok(Json(state.issue_form(&access, &target, media_type).await?))
}

/// `/presignedurl//{step}`: checked in the original's order, where a missing mail comes before a missing project.
pub async fn presigned_url_without_project(RawQuery(query): RawQuery) -> Error {
    let query = Query::new(query.as_deref());
    if query.is_empty() {
        return Error::NotFound("No parameter has been sent");
    }
    query.required_mail().err().unwrap_or(PROJECT_IS_EMPTY)
}

/// `GET /u/{token}/presignedurl`: issues a form for the video of an upload link.
pub async fn presigned_url_of_link(
    link: UploadLink,
    Shared(state): Shared<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Json<PresignedPost>, Error> {
    let query = Query::new(query.as_deref());
    query.allow_only(&["type"])?;
    let (target, media_type) = (link.target.clone(), query.media_type()?);
    Ok(Json(state.issue_form(&Access::Link(link), &target, media_type).await?))
}

impl App {
    /// Records that a form is issued, and signs it.
    ///
    /// # Errors
    /// [`Error::Conflict`] or [`Error::Gone`] for a video that is, or was, erased; [`Error::Unavailable`].
    pub(super) async fn issue_form(
        &self,
        access: &Access,
        target: &UploadTarget,
        media_type: MediaType,
    ) -> Result<PresignedPost, Error> {
        let now = SystemTime::now();
        let key = self.record_upload(access, target, media_type, now).await?;
        tracing::info!(video.key = %key, "upload form issued");
        Ok(self.form(&key, media_type.content_type(), now))
    }

    /// Records that an upload is about to begin; returns its key.
    ///
    /// # Errors
    /// As [`Self::issue_form`].
    pub(super) async fn record_upload(
        &self,
        access: &Access,
        target: &UploadTarget,
        media_type: MediaType,
        now: SystemTime,
    ) -> Result<ObjectKey, Error> {
        let (id, key) = (target.record_id(), target.key(media_type));
        match access {
            Access::Open if self.table.record_form(&id, &key, now).await? => Ok(key),
            Access::Link(_) if self.table.renew_form(&id, &key, now).await? => Ok(key),
            Access::Open => Err(Error::Conflict("the video is being deleted")),
            Access::Link(_) => Err(VIDEO_DELETED),
        }
    }

    /// Signs a form for one key and one media type.
    fn form(&self, key: &ObjectKey, content_type: &str, now: SystemTime) -> PresignedPost {
        let mut fields = vec![("Content-Type", content_type), ("success_action_status", "201")];
        fields.extend(self.upload.acl.as_deref().map(|acl| ("acl", acl)));
        let policy = PostPolicy {
            bucket: &self.media,
            key: key.as_str(),
            fields: &fields,
            length: Some(1..=self.upload.max_bytes.min(MAX_POST_BYTES)),
            expires_in: self.upload.expires,
        };
        self.signer.presign_post(&policy, now)
    }
}
