//! The admin's list.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Extension, RawQuery, State as Shared};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use video_core::aws::Bucket;
use video_core::records::{Record, Status};

use crate::error::Error;
use crate::extract::{Admin, ClientPath, Query};
use crate::state::{App, AppState};

/// How long a link to a result can be used; a player keeps asking for ranges while a person watches.
const LINK_LIFETIME: Duration = Duration::from_hours(1);

/// `GET /videos`: one page of the list; the next one is in the `Link` header (RFC 8288).
pub async fn videos(
    _admin: Admin,
    Shared(state): Shared<AppState>,
    Extension(path): Extension<ClientPath>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let query = Query::new(query.as_deref());
    query.allow_only(&["mail", "project", "step", "status", "limit", "cursor"])?;
    let filter = query.filter()?;
    let page = state.table.list(&filter, query.limit()?, query.cursor(&filter)?).await?;

    let now = SystemTime::now();
    let videos: Vec<_> = page.records.into_iter().map(|record| state.video(record, now)).collect();
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

/// A record as the admin sees it.
#[derive(Serialize)]
pub(super) struct Video {
    #[serde(flatten)]
    pub(super) record: Record,
    /// A link to the result, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) playback: Option<String>,
    /// A link to the result's poster, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preview: Option<String>,
    /// A link to the upload, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<String>,
}

impl App {
    /// Adds a record's links.
    pub(super) fn video(&self, record: Record, now: SystemTime) -> Video {
        let of_result = |key: &Option<String>| {
            let key = key.as_ref().filter(|_| record.status == Some(Status::Ready));
            key.map(|key| self.link(&self.output, key, now))
        };
        let (playback, preview) = (of_result(&record.output), of_result(&record.poster));
        let original = record.uploaded_key.as_ref().map(|key| self.link(&self.media, key, now));
        Video { record, playback, preview, original }
    }

    fn link(&self, bucket: &Bucket, key: &str, now: SystemTime) -> String {
        self.signer.presign_get(&bucket.object_url(key), LINK_LIFETIME, now)
    }
}
