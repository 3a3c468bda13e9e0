//! A JSON body, with errors as every other route has them.

use axum::Json;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::state::AppState;

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let body = Json::from_request(request, state).await;
        let Json(body) = body.map_err(|rejection| Error::BadRequest(rejection.body_text()))?;
        Ok(Self(body))
    }
}
