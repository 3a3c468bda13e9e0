//! Who may upload here, visible in a handler's signature.

use std::time::SystemTime;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::http::request::Parts;
use video_core::ids::{MediaType, ObjectKey};

use crate::error::Error;
use crate::links::UploadLink;
use crate::state::AppState;

/// Whose videos a request may upload: anyone's by the open routes, one person's by an upload link.
pub enum Access {
    Open,
    Link(UploadLink),
}

impl Access {
    /// Reads the key of an upload and checks that this request may touch it.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is no such key, [`Error::Forbidden`] for another person's than the link's.
    pub fn check_key(&self, key: &str) -> Result<ObjectKey, Error> {
        let key = ObjectKey::from_upload(key)?;
        match self {
            Self::Link(link) if link.target.key(MediaType::default()).stem() != key.stem() => {
                Err(Error::Forbidden("the upload link is for another video"))
            }
            _ => Ok(key),
        }
    }
}

impl FromRequestParts<AppState> for Access {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        match UploadLink::of(parts, state).await {
            Some(link) => link.map(Self::Link),
            None if state.upload.requires_link => Err(Error::Forbidden("an upload needs an upload link")),
            None => Ok(Self::Open),
        }
    }
}

impl FromRequestParts<AppState> for UploadLink {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        Self::of(parts, state).await.unwrap_or(Err(Error::InvalidLink))
    }
}

impl UploadLink {
    /// Opens the token in the path; none where the route has no token.
    async fn of(parts: &mut Parts, state: &AppState) -> Option<Result<Self, Error>> {
        let route = parts.extensions.get::<MatchedPath>()?;
        route.as_str().contains("{token}").then_some(())?;
        let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
        let token = parameters.iter().flatten().find(|(name, _)| *name == "token").map(|(_, token)| token);
        // What is no UTF-8 is no token either.
        Some(state.links.open(token.unwrap_or_default(), SystemTime::now()).await)
    }
}
