//! `--webhook`: posts events about videos to a URL, in place of a rule and an API destination of EventBridge.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::event_queue::{self, DeliveryConfig, Queue};
use crate::sqlite::Database;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The URL that events are posted to: `http` only, since nothing here leaves the machine or its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook(Uri);

/// The URL of a webhook is not one.
#[derive(Debug, thiserror::Error)]
#[error("a webhook must be an http:// URL")]
pub struct InvalidWebhook;

impl FromStr for Webhook {
    type Err = InvalidWebhook;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let uri: Uri = url.parse().map_err(|_| InvalidWebhook)?;
        let is_http = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        if is_http { Ok(Self(uri)) } else { Err(InvalidWebhook) }
    }
}

/// Posts queued events to the webhook until `shutdown`: each at least once, again after each of the delays while the
/// answer is not 2xx, and then to the dead-letter file.
///
/// # Errors
/// When the queue cannot be read or written.
pub(crate) async fn deliver(
    database: Database,
    webhook: Webhook,
    retry_delays: Vec<Duration>,
    dead_letter_file: PathBuf,
    shutdown: impl Future<Output = ()>,
) -> rusqlite::Result<()> {
    let config = DeliveryConfig {
        queue: Queue::Webhook,
        timeout: TIMEOUT,
        retry_delays,
        ..DeliveryConfig::new(webhook.0.to_string(), dead_letter_file)
    };
    let client = Client::builder(TokioExecutor::new()).build_http();
    let handler = move |event| post(client.clone(), webhook.clone(), event);
    event_queue::deliver(database, handler, config, shutdown).await
}

async fn post(client: Client<HttpConnector, Body>, webhook: Webhook, event: Value) -> Result<(), String> {
    let request = Request::post(webhook.0)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("video-local/", env!("CARGO_PKG_VERSION")))
        .body(Body::from(event.to_string()))
        .map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|error| error.to_string())?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("the answer was {status}")),
    }
}
