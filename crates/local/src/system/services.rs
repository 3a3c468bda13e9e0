//! What the services work on: the data directory with its databases, the object store, the transcoders and
//! the event bus.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use video_core::aws::AwsConfig;
use video_core::records::{SEGMENTS, Table};

use super::environment::{
    ACCESS_KEY_ID, ACCOUNT, Environment, MEDIA_BUCKET, OUTPUT_BUCKET, PIPELINE, REGION, SECRET_ACCESS_KEY, TABLE,
};
use super::error::StartError;
use super::listeners::{listen, url};
use crate::eventbridge::EventBus;
use crate::s3::{Credentials, NotificationConfig, Store};
use crate::sqlite::Database;
use crate::transcoder::{Ffmpeg, Settings, Transcoder};
use crate::{dynamodb, event_queue, s3, transcoder};

/// The opened data directory and what is in it.
pub(super) struct Services {
    pub(super) database: Database,
    pub(super) store: Store,
    pub(super) transcoder: Transcoder,
    pub(super) event_bus: EventBus,
    /// The ID of the Elastic Transcoder pipeline.
    pub(super) pipeline: String,
    /// The directory of DynamoDB's file.
    pub(super) dynamodb_dir: PathBuf,
    pub(super) dead_letter_file: PathBuf,
    pub(super) webhook_dead_letter_file: PathBuf,
}

impl Services {
    /// Opens or creates everything in the data directory but the table.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn open(data_dir: &Path, ffmpeg: Ffmpeg, listing_lag: Duration) -> Result<Self, StartError> {
        let [jobs, pipelines] = transcoder::SCHEMAS;
        let schemas = [s3::SCHEMA, event_queue::SCHEMA, jobs, pipelines];
        let database = Database::open(&data_dir.join("local.sqlite"), &schemas)?;
        let notifications = NotificationConfig { bucket: MEDIA_BUCKET.to_owned(), region: REGION.to_owned() };
        let store = Store::open(&data_dir.join("objects"), database.clone(), notifications)?;
        store.create_bucket(MEDIA_BUCKET)?;
        store.create_bucket(OUTPUT_BUCKET)?;
        let transcoder = Transcoder::new(database.clone(), store.clone(), transcoder_settings(ffmpeg, listing_lag));
        let pipeline = transcoder::create_pipeline(&transcoder, PIPELINE, MEDIA_BUCKET, OUTPUT_BUCKET)?;
        Ok(Self {
            event_bus: EventBus::new(database.clone(), REGION, ACCOUNT),
            database,
            store,
            transcoder,
            pipeline,
            dynamodb_dir: data_dir.join("dynamodb"),
            dead_letter_file: data_dir.join("dead-letter.jsonl"),
            webhook_dead_letter_file: data_dir.join("webhook-dead-letter.jsonl"),
        })
    }

    /// Creates the table, or adds the indexes and backfills the records that one of an earlier version lacks. The
    /// functions expect it, as on AWS; it is prepared through a port of its own, so that no client sees DynamoDB
    /// without it.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) async fn prepare_table(&self, environment: &Environment) -> Result<(), StartError> {
        let listener = listen(0, "DynamoDB").await?;
        let endpoint = url(&listener);
        let lookup = |name: &str| match name {
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(endpoint.clone()),
            _ => environment.get(name),
        };
        let table = Table::new(&AwsConfig::from_env(&lookup)?.sdk_config(), TABLE);
        let create = Box::pin(table.create());
        Ok(dynamodb::prepare(listener, &self.dynamodb_dir, create, Box::pin(update(&table))).await?)
    }
}

async fn update(table: &Table) -> Result<(), video_core::Error> {
    table.create().await?;
    for segment in 0..SEGMENTS {
        table.backfill(segment).await?;
    }
    Ok(())
}

/// Returns the key pair whose signatures S3 accepts.
pub(super) fn credentials() -> Credentials {
    Credentials { access_key_id: ACCESS_KEY_ID.to_owned(), secret_access_key: SECRET_ACCESS_KEY.to_owned() }
}

fn transcoder_settings(ffmpeg: Ffmpeg, listing_lag: Duration) -> Settings {
    let (region, account) = (REGION.to_owned(), ACCOUNT.to_owned());
    Settings { region, account, concurrent_jobs: NonZeroUsize::MIN, ffmpeg, listing_lag }
}
