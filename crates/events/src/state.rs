//! What the handlers share.

use video_core::aws::AwsConfig;
use video_core::config::EventsConfig;
use video_core::event_bus::EventBus;
use video_core::records::{ClaimTerms, Table};
use video_core::storage::Storage;
use video_core::transcoder::Transcoder;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) table: Table,
    pub(crate) transcoder: Transcoder,
    pub(crate) storage: Storage,
    pub(crate) event_bus: EventBus,
    pub(crate) config: EventsConfig,
}

impl State {
    /// Creates the state for this configuration; nothing is sent yet.
    #[must_use]
    pub fn new(config: EventsConfig, aws: &AwsConfig) -> Self {
        let sdk = aws.sdk_config();
        Self {
            table: Table::new(&sdk, &config.table),
            transcoder: Transcoder::new(&config.transcoder, config.max_video, &sdk),
            storage: Storage::new(&sdk, aws),
            event_bus: EventBus::new(&sdk),
            config,
        }
    }

    /// Opens the connection to DynamoDB while the start has a whole core; see [`Table::connect`].
    pub async fn connect(&self) {
        self.table.connect().await;
    }

    /// Returns under which terms an invocation claims an upload.
    pub(crate) fn claim_terms(&self) -> ClaimTerms {
        ClaimTerms { lease: self.config.lease, max_uploads_per_day: self.config.max_uploads_per_day }
    }
}
