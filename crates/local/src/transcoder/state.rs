//! What both services and the worker share.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::ffmpeg::Ffmpeg;
use crate::s3::Store;
use crate::sqlite::Database;
use crate::timestamps::now_millis;

/// The settings of the transcoders.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region in ARNs and events.
    pub region: String,
    /// The account number in ARNs and events, 12 digits.
    pub account: String,
    /// The number of ffmpeg processes at the same time; one already uses every core.
    pub concurrent_jobs: NonZeroUsize,
    /// The programs that transcode.
    pub ffmpeg: Ffmpeg,
    /// How long a new job is missing from every list, as on AWS, where they lag behind.
    pub listing_lag: Duration,
}

/// Both services over one queue of jobs. Cheap to clone.
#[derive(Clone)]
pub struct Transcoder {
    pub(super) database: Database,
    pub(super) store: Store,
    pub(super) settings: Arc<Settings>,
}

impl Transcoder {
    /// Stores jobs in `database`, reads inputs from `store` and writes outputs to it.
    #[must_use]
    pub fn new(database: Database, store: Store, settings: Settings) -> Self {
        Self { database, store, settings: Arc::new(settings) }
    }

    /// Returns the time after which submitted jobs are not listed yet, in Unix milliseconds.
    pub(super) fn listed_until(&self) -> i64 {
        now_millis() - i64::try_from(self.settings.listing_lag.as_millis()).unwrap_or(i64::MAX)
    }

    /// Returns the ARN of a resource in our region and account.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let Settings { region, account, .. } = &*self.settings;
        format!("arn:aws:{service}:{region}:{account}:{resource}")
    }
}
