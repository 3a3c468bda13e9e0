//! AWS's JSON protocols, as far as the transcoders and EventBridge share them: authentication, requests and errors.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Returns the routes of services, of which requests must be signed with this access key ID.
pub fn router(services: Router, access_key_id: &str) -> Router {
    services
        .route_layer(from_fn_with_state(Arc::<str>::from(access_key_id), authenticate))
        .fallback(unknown_operation)
        .method_not_allowed_fallback(unknown_operation)
        .layer(map_response(add_request_id))
}

/// An error response: the code in a header, as REST JSON has it, and in the body, as JSON 1.1 has it.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

#[derive(Serialize)]
struct ErrorBody {
    message: String,
    #[serde(rename = "__type")]
    code: &'static str,
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the database failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            "The server encountered an internal error trying to fulfill the request.",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = axum::Json(ErrorBody { message: self.message, code: self.code });
        let code = HeaderValue::from_static(self.code);
        (self.status, [(ERROR_TYPE, code)], body).into_response()
    }
}

/// Accepts requests whose SigV4 header names our access key. The signature itself is not verified: the port is open to
/// this machine only, and a client without credentials still fails here as it would on AWS.
async fn authenticate(State(ours): State<Arc<str>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    match access_key_id(header) {
        Ok(id) if *id == *ours => next.run(request).await,
        Ok(_) => ApiError::new(
            StatusCode::FORBIDDEN,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
        .into_response(),
        Err(error) => error.into_response(),
    }
}

/// Returns the ID in `AWS4-HMAC-SHA256 Credential=ID/20260101/eu-west-1/mediaconvert/aws4_request, SignedHeaders=…,
/// Signature=…`.
fn access_key_id(header: Option<&HeaderValue>) -> Result<&str, ApiError> {
    let header = header.ok_or_else(|| {
        ApiError::new(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token")
    })?;
    header
        .to_str()
        .ok()
        .and_then(|header| header.strip_prefix("AWS4-HMAC-SHA256 "))
        .filter(|parts| parts.contains("SignedHeaders=") && parts.contains("Signature="))
        .and_then(|parts| parts.split_once("Credential="))
        .and_then(|(_, credential)| credential.split_once('/'))
        .map(|(id, _)| id)
        .ok_or_else(|| {
            ApiError::new(
                StatusCode::BAD_REQUEST,
                "IncompleteSignatureException",
                "The request signature does not conform to AWS standards.",
            )
        })
}

/// Returns AWS's error for a path or method that no operation has.
async fn unknown_operation() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "UnknownOperationException",
        "The requested operation is not known to this service.",
    )
}

/// Adds an ID to every response; the SDKs show it in their errors.
async fn add_request_id(mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Parses a request's JSON; `malformed` returns the service's own error.
pub(crate) fn parse<T: DeserializeOwned>(
    body: &Bytes,
    malformed: impl FnOnce(String) -> ApiError,
) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))
}
