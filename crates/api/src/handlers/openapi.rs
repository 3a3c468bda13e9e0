//! The API's own description: `openapi.yaml`, kept true by `tests/schemathesis`.

use axum::http::header::CONTENT_TYPE;

/// `GET /openapi.yaml`.
pub async fn document() -> ([(axum::http::HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/yaml")], include_str!("../../openapi.yaml"))
}
