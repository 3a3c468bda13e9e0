//! What both services have in common on the wire: who may call, and how a refusal looks.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::Transcoder;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// An error answer as AWS's REST JSON protocol writes it: the code in a header, the message in the body.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the transcoder's database failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            "The server encountered an internal error trying to fulfill the request.",
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = axum::Json(json!({ "message": self.message }));
        let code = HeaderValue::from_static(self.code);
        (self.status, [(ERROR_TYPE, code)], body).into_response()
    }
}

/// Lets a request pass that names our access key in a SigV4 header. The signature itself is not checked: the port is
/// open to this machine only, and the point is that a client without credentials fails here as it would on AWS.
pub(super) async fn authenticate(State(transcoder): State<Transcoder>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    match access_key_id(header) {
        Ok(id) if id == transcoder.settings.access_key_id => next.run(request).await,
        Ok(_) => Refusal::new(
            StatusCode::FORBIDDEN,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
        .into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// `AWS4-HMAC-SHA256 Credential=ID/20260101/eu-west-1/mediaconvert/aws4_request, SignedHeaders=…, Signature=…`.
fn access_key_id(header: Option<&HeaderValue>) -> Result<&str, Refusal> {
    let header = header.ok_or_else(|| {
        Refusal::new(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token")
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
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "IncompleteSignatureException",
                "The request signature does not conform to AWS standards.",
            )
        })
}

/// What AWS says to a path or a method that none of its operations has.
pub(super) async fn unknown_operation() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "UnknownOperationException",
        "The requested operation is not known to this service.",
    )
}

/// Numbers every answer; the SDKs show the number in their errors.
pub(super) async fn number(mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Reads a request's JSON; `refuse` words the service's own answer to one that is malformed.
pub(super) fn parse<T: serde::de::DeserializeOwned>(
    body: &Bytes,
    refuse: impl FnOnce(String) -> Refusal,
) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| refuse(error.to_string()))
}
