//! What the handlers share.

use std::time::Duration;

use video_core::aws::AwsConfig;
use video_core::config::EventsConfig;
use video_core::records::Table;
use video_core::transcoder::Transcoder;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) table: Table,
    pub(crate) transcoder: Transcoder,
    pub(crate) media_bucket: String,
    pub(crate) lease: Duration,
}

impl State {
    /// Creates the state for this configuration; nothing is sent yet.
    #[must_use]
    pub fn new(config: EventsConfig, aws: &AwsConfig) -> Self {
        let sdk = aws.sdk_config();
        Self {
            table: Table::new(&sdk, &config.table),
            transcoder: Transcoder::new(&config.transcoder, &sdk),
            media_bucket: config.media_bucket,
            lease: config.lease,
        }
    }

    /// Opens the connection to DynamoDB while the start has a whole core; see [`Table::connect`].
    pub async fn connect(&self) {
        self.table.connect().await;
    }
}
