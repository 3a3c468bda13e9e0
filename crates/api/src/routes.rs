//! What each route does.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, State as Shared};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use video_core::bucket::Bucket;
use video_core::key::{ObjectKey, project_step};
use video_core::presigned_post::{PresignedPost, Terms};
use video_core::presigned_url;
use video_core::records::{Record, RecordId, Status};

use crate::State;
use crate::auth::Admin;
use crate::error::Error;
use crate::query::{PROJECT_IS_EMPTY, Query, checked_path};
use crate::stage::ClientPath;

/// How long a link to a result can be used; a player keeps asking for ranges while a person watches.
const PLAYBACK_EXPIRES: Duration = Duration::from_hours(1);

pub async fn root() -> Json<Value> {
    Json(json!({ "hello": "world" }))
}

pub async fn hello(admin: Admin) -> Json<Value> {
    Json(json!({ "hello": admin.username, "context": { "is_admin": true, "principalId": admin.username } }))
}

/// Hands out an upload form. The record is written first: a form that nobody can find again is never given away.
pub async fn presigned_url(
    Shared(state): Shared<State>,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<PresignedPost>, Error> {
    let query = Query::new(query.as_deref());
    if query.is_empty() {
        return Err(Error::NotFound("No parameter has been sent"));
    }
    let mail = query.required_mail()?;
    let (project, step) = checked_path(path)?;
    let media_type = query.media_type()?;

    let key = ObjectKey::of_upload(&project, step, &mail, media_type);
    let id = RecordId { project_step: project_step(&project, step), mail: mail.as_str().to_owned() };
    let now = SystemTime::now();
    state.0.table.request(&id, &key, now).await?;
    tracing::info!(video.key = %key, "an upload form is handed out");
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

impl State {
    fn form(&self, key: &ObjectKey, content_type: &str, now: SystemTime) -> PresignedPost {
        let shared = &self.0;
        let mut fields = vec![("Content-Type", content_type), ("success_action_status", "201")];
        fields.extend(shared.upload.acl.as_deref().map(|acl| ("acl", acl)));
        let terms = Terms {
            bucket: &shared.media,
            key: key.as_str(),
            fields: &fields,
            length: Some(1..=shared.upload.max_bytes),
            expires_in: shared.upload.expires,
        };
        shared.signer.presign(&terms, now)
    }

    /// A record with its links.
    fn video(&self, record: Record, now: SystemTime) -> Result<Video, video_core::Error> {
        let shared = &self.0;
        let output = record.output.as_ref().filter(|_| record.status == Some(Status::Ready));
        let playback = output.map(|key| self.link(&shared.output, key, now)).transpose()?;
        let original = record.uploaded_key.as_ref().map(|key| self.link(&shared.media, key, now)).transpose()?;
        Ok(Video { record, playback, original })
    }

    fn link(&self, bucket: &Bucket, key: &str, now: SystemTime) -> Result<String, video_core::Error> {
        let aws = &self.0.aws;
        presigned_url::presign(bucket, &aws.region, key, &aws.credentials, now, PLAYBACK_EXPIRES)
    }
}

/// A record as the admin sees it.
#[derive(Serialize)]
struct Video {
    #[serde(flatten)]
    record: Record,
    /// A link to the result, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    playback: Option<String>,
    /// A link to the upload, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<String>,
}

/// The admin's list, one page of it; the next one is in the `Link` header (RFC 8288).
pub async fn videos(
    _admin: Admin,
    Shared(state): Shared<State>,
    Extension(path): Extension<ClientPath>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let query = Query::new(query.as_deref());
    let filter = query.filter()?;
    let page = state.0.table.list(&filter, query.limit()?, query.cursor(&filter)?).await?;

    let now = SystemTime::now();
    let videos = page
        .records
        .into_iter()
        .map(|record| state.video(record, now))
        .collect::<Result<Vec<_>, video_core::Error>>()?;
    let mut response = Json(videos).into_response();
    if let Some(cursor) = page.next {
        let link = format!(r#"<{}?{}>; rel="next""#, path.0, query.at(&cursor.encode(&filter)));
        // Path and query come percent-encoded, so they always fit a header.
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}
