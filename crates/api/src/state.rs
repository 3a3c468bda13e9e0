//! What the handlers share.

use std::ops::Deref;
use std::sync::Arc;

use axum::http::HeaderValue;
use video_core::aws::{AwsConfig, Bucket, Signer};
use video_core::config::{ApiConfig, UploadConfig};
use video_core::env::ConfigError;
use video_core::event_bus::{Detail, EventBus, EventType};
use video_core::records::Table;
use video_core::storage::Storage;

use crate::auth::Authenticator;
use crate::links::LinkKeys;

/// The application: its configuration and its clients.
#[derive(Debug)]
pub struct App {
    pub(crate) signer: Signer,
    pub(crate) table: Table,
    pub(crate) storage: Storage,
    pub(crate) event_bus: EventBus,
    pub(crate) media: Bucket,
    pub(crate) output: Bucket,
    pub(crate) upload: UploadConfig,
    pub(crate) allowed_origin: Option<HeaderValue>,
    pub(crate) authenticator: Authenticator,
    pub(crate) links: LinkKeys,
}

/// The application as every handler gets it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<App>);

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl App {
    /// Wakes the events function. The record says already what is to be done, so a failure costs time and nothing else.
    pub(crate) async fn wake(&self, event_type: EventType, detail: &Detail) {
        if let Err(error) = self.event_bus.put(event_type, detail).await {
            let (event, key) = (event_type.as_str(), &detail.video);
            tracing::warn!(error.message = %error, event, video.key = key, "event lost; the sweep will do the work");
        }
    }
}

impl AppState {
    /// Creates the application for this configuration; nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the allowed origin cannot stand in a header.
    pub fn new(config: ApiConfig, aws: &AwsConfig) -> Result<Self, ConfigError> {
        let sdk = aws.sdk_config();
        let origin = config.allowed_origin.as_deref().map(HeaderValue::from_str).transpose();
        let rule = || "visible ASCII characters only".to_owned();
        Ok(Self(Arc::new(App {
            signer: Signer::new(aws),
            table: Table::new(&sdk, &config.table),
            storage: Storage::new(&sdk, aws),
            event_bus: EventBus::new(&sdk),
            media: Bucket::new(&config.media_bucket, aws),
            output: Bucket::new(&config.output_bucket, aws),
            upload: config.upload,
            allowed_origin: origin.map_err(|_| ConfigError::Invalid { name: "ALLOWED_ORIGIN", rule: rule() })?,
            authenticator: Authenticator::new(config.admin, &sdk),
            links: LinkKeys::new(config.links, &sdk),
        })))
    }

    /// Opens the connection to DynamoDB, so that the first caller need not wait for it; see [`Table::connect`].
    pub async fn connect(&self) {
        self.table.connect().await;
    }
}
