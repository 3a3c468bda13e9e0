//! The two functions, in place of API Gateway, Lambda and EventBridge's schedule.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Duration;

use serde_json::{Value, json};
use video_core::aws::AwsConfig;
use video_core::config::{ApiConfig, EventsConfig};

use super::environment::{ACCOUNT, Environment, REGION};
use super::error::StartError;
use crate::event_queue::{self, DeliveryConfig};
use crate::sqlite::Database;

/// The events function's timeout; shorter than in `template.yaml`, like the lease.
const TIMEOUT: Duration = Duration::from_secs(8);
/// As in `template.yaml`.
const SWEEP_INTERVAL: Duration = Duration::from_mins(15);

/// Both functions, configured.
pub(super) struct Functions {
    pub(super) api: video_api::AppState,
    pub(super) events: video_events::State,
}

impl Functions {
    /// Configures both functions from their environment.
    ///
    /// # Errors
    /// [`StartError::Config`].
    pub(super) fn configure(environment: &Environment) -> Result<Self, StartError> {
        let lookup = |name: &str| environment.get(name);
        let aws = AwsConfig::from_env(&lookup)?;
        Ok(Self {
            api: video_api::AppState::new(ApiConfig::from_env(&lookup)?, &aws)?,
            events: video_events::State::new(EventsConfig::from_env(&lookup)?, &aws),
        })
    }
}

/// Delivers queued events to the events function until `shutdown`.
///
/// # Errors
/// When the queue cannot be read or written.
pub(super) async fn deliver_events(
    database: Database,
    function: video_events::State,
    retry_delays: Vec<Duration>,
    dead_letter_file: PathBuf,
    shutdown: impl Future<Output = ()>,
) -> rusqlite::Result<()> {
    let function_arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:video-events");
    let config =
        DeliveryConfig { timeout: TIMEOUT, retry_delays, ..DeliveryConfig::new(function_arn, dead_letter_file) };
    event_queue::deliver(database, invoke(function), config, shutdown).await
}

/// Returns the handler that invokes the events function; an error means that the event will be retried.
fn invoke(function: video_events::State) -> impl Fn(Value) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
    move |event| {
        let function = function.clone();
        Box::pin(
            async move { video_events::handle(&function, event).await.map(|_| ()).map_err(|error| error.to_string()) },
        )
    }
}

/// Enqueues a sweep at regular intervals until `shutdown`, as EventBridge's schedule does.
///
/// # Errors
/// When the queue cannot be written.
pub(super) async fn schedule_sweeps(database: Database, shutdown: impl Future<Output = ()>) -> rusqlite::Result<()> {
    let mut shutdown = pin!(shutdown);
    let sweep = json!({ "source": "video-events", "detail-type": "Sweep" });
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = tokio::time::sleep(SWEEP_INTERVAL) => database.transaction(|tx| event_queue::enqueue(tx, &sweep))?,
        }
    }
}
