//! Elastic Transcoder and MediaConvert on one machine: both wire protocols on one port, ffmpeg behind them.

mod elastictranscoder;
mod ffmpeg;
mod jobs;
mod mediaconvert;
mod wire;
mod worker;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use time::OffsetDateTime;
use tokio::net::TcpListener;

use crate::database::Database;
use crate::s3::Store;

pub use ffmpeg::{Error as FfmpegError, Ffmpeg, Media, Version};
pub use jobs::SCHEMA;
pub use worker::work;

/// What the transcoders are told about the world.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region in ARNs and events.
    pub region: String,
    /// The account number in ARNs and events, 12 digits.
    pub account: String,
    /// Requests must be signed with this key.
    pub access_key_id: String,
    /// How many ffmpeg processes run at the same time; one of them already uses every core.
    pub jobs_at_once: NonZeroUsize,
    /// The program that does the work.
    pub ffmpeg: Ffmpeg,
}

/// Both services over one queue of jobs. Cheap to clone.
#[derive(Clone)]
pub struct Transcoder {
    database: Database,
    store: Store,
    settings: Arc<Settings>,
}

impl Transcoder {
    /// Jobs are kept in `database`; inputs are read from `store` and outputs written to it.
    #[must_use]
    pub fn new(database: Database, store: Store, settings: Settings) -> Self {
        Self { database, store, settings: Arc::new(settings) }
    }

    /// Makes an Elastic Transcoder pipeline that tells of every change of a job, and answers its id. Called again with
    /// the same name it answers the same id, with the new buckets in force.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn create_pipeline(&self, name: &str, input_bucket: &str, output_bucket: &str) -> rusqlite::Result<String> {
        elastictranscoder::create_pipeline(self, name, input_bucket, output_bucket)
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let Settings { region, account, .. } = &*self.settings;
        format!("arn:aws:{service}:{region}:{account}:{resource}")
    }
}

/// Answers both services' requests until `shutdown` is done.
///
/// Use it as `AWS_ENDPOINT_URL_ELASTIC_TRANSCODER` and as `AWS_ENDPOINT_URL_MEDIACONVERT`: the API versions in the
/// paths keep the two apart.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    transcoder: Transcoder,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(transcoder)).with_graceful_shutdown(shutdown).await
}

fn router(transcoder: Transcoder) -> Router {
    Router::new()
        .nest("/2012-09-25", elastictranscoder::routes())
        .nest("/2017-08-29", mediaconvert::routes())
        .route_layer(from_fn_with_state(transcoder.clone(), wire::authenticate))
        .fallback(wire::unknown_operation)
        .method_not_allowed_fallback(wire::unknown_operation)
        .layer(map_response(wire::number))
        .with_state(transcoder)
}

/// Epoch milliseconds.
fn now() -> i64 {
    let millis = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    i64::try_from(millis).unwrap_or(i64::MAX)
}
