//! EventBridge on one machine: `PutEvents` in JSON 1.1, the default event bus with the rules of `template.yaml`, and
//! the event queue in place of targets.

mod entry;
mod put_events;
mod rules;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;

use self::put_events::put_events;
use crate::aws_json::ApiError;
use crate::sqlite::Database;

/// The default event bus. Cheap to clone.
#[derive(Clone)]
pub struct EventBus {
    database: Database,
    region: Arc<str>,
    account: Arc<str>,
}

impl EventBus {
    /// Puts events into the queues of `database`; the events name the region and the account.
    #[must_use]
    pub fn new(database: Database, region: &str, account: &str) -> Self {
        Self { database, region: region.into(), account: account.into() }
    }
}

/// Returns EventBridge's route, for `AWS_ENDPOINT_URL_EVENTBRIDGE`: no other service has this path.
pub fn routes(bus: EventBus) -> Router {
    Router::new().route("/", post(operation)).with_state(bus)
}

/// Runs the operation that the `X-Amz-Target` header names.
async fn operation(
    State(bus): State<EventBus>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, ApiError> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    if target != Some("AWSEvents.PutEvents") {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "UnknownOperationException",
            "The local EventBridge has the operation PutEvents only.",
        ));
    }
    let response = put_events(&bus, &body)?;
    Ok(([(CONTENT_TYPE, "application/x-amz-json-1.1")], response.to_string()))
}
