//! Authentication, visible in a handler's signature: HTTP basic auth (RFC 7617).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum_extra::TypedHeader;
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Basic;

use super::origin::is_foreign;
use crate::error::Error;
use crate::state::AppState;

/// The admin, signed in: a handler that takes it can only run for one.
pub struct Admin {
    pub username: String,
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        if !parts.method.is_safe() && is_foreign(parts, state.allowed_origin.as_ref()) {
            return Err(Error::Forbidden("pages of another origin must not do this; ALLOWED_ORIGIN allows one"));
        }
        let header = TypedHeader::<Authorization<Basic>>::from_request_parts(parts, state).await;
        let TypedHeader(given) = header.map_err(|_| Error::Unauthorized)?;
        if state.authenticator.verify(given.username(), given.password()).await? {
            Ok(Self { username: given.username().to_owned() })
        } else {
            Err(Error::Unauthorized)
        }
    }
}
