//! The plain form, for files that need no parts.

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use serde::Serialize;
use video_core::aws::PresignedPost;

use super::{Metadata, media_type};
use crate::error::Error;
use crate::extract::{Access, Query, StepField};
use crate::state::AppState;

/// A form in Companion's shape.
#[derive(Serialize)]
pub struct UppyForm {
    method: &'static str,
    #[serde(flatten)]
    form: PresignedPost,
    /// Seconds.
    expires: u64,
}

/// `GET /s3/params?filename&type&metadata[mail]&metadata[project]&metadata[step]`: issues an upload form.
pub async fn form(
    access: Access,
    Shared(state): Shared<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Json<UppyForm>, Error> {
    let query = Query::new(query.as_deref());
    let text = |name| query.get(name).unwrap_or_default().to_owned();
    let metadata = Metadata {
        mail: text("metadata[mail]"),
        project: text("metadata[project]"),
        step: StepField::Text(text("metadata[step]")),
    };
    let target = access.target(&metadata)?;
    let media_type = media_type(query.get("type"), query.get("filename"))?;
    let form = state.issue_form(&access, &target, media_type).await?;
    let expires = state.signer.lifetime(state.upload.expires, std::time::SystemTime::now()).as_secs();
    Ok(Json(UppyForm { method: "POST", form, expires }))
}
