//! What a client is told when a request cannot be answered: `{"Code": "...Error", "Message": "..."}`, as the original's
//! framework did.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use video_core::ids::ValidationError;

/// Every way a request can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    NotFound(&'static str),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Conflict(&'static str),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("{0}")]
    Gone(&'static str),
    #[error("a valid user name and password are needed")]
    Unauthorized,
    #[error("the upload link is invalid or has expired")]
    InvalidLink,
    #[error("method not allowed")]
    MethodNotAllowed,
    /// A call to AWS failed. The client learns only that a retry may help; the log has the details.
    #[error("the service is not available at the moment, please try again")]
    Unavailable(#[from] video_core::Error),
}

/// The body of every error, and an extension of its response.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ErrorBody {
    pub code: &'static str,
    pub message: String,
}

impl From<ValidationError> for Error {
    fn from(invalid: ValidationError) -> Self {
        Self::BadRequest(invalid.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "NotFoundError"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequestError"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "ConflictError"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "ForbiddenError"),
            Self::Gone(_) => (StatusCode::GONE, "GoneError"),
            Self::InvalidLink | Self::Unauthorized => (StatusCode::UNAUTHORIZED, "UnauthorizedError"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowedError"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableError"),
        };
        if let Self::Unavailable(source) = &self {
            tracing::error!(error.message = %source, "a call to AWS failed");
        }
        let body = ErrorBody { code, message: self.to_string() };
        let mut response = (status, Json(&body)).into_response();
        response.extensions_mut().insert(body);
        if matches!(self, Self::Unauthorized) {
            let challenge = HeaderValue::from_static(r#"Basic realm="videos", charset="UTF-8""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
