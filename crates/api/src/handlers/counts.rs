//! How many videos are in which state.

use axum::Json;
use axum::extract::{RawQuery, State as Shared};
use video_core::records::Counts;

use crate::error::Error;
use crate::extract::{Admin, Query};
use crate::state::AppState;

/// `GET /videos/counts`, of all or of one project or step.
pub async fn counts(
    _admin: Admin,
    Shared(state): Shared<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Json<Counts>, Error> {
    let query = Query::new(query.as_deref());
    query.allow_only(&["project", "step"])?;
    Ok(Json(state.table.counts(&query.filter()?).await?))
}
