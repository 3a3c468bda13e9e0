//! A secret in Secrets Manager, kept between requests and read again so that rotation needs no restart.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use video_core::Error;

/// A rotated secret is picked up after this time at the latest.
pub const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// Whatever does not match the cached secret costs at most one call in this time.
pub const MISMATCH_REFRESH_INTERVAL: Duration = Duration::from_secs(10);
/// How long the cached secret stays good while Secrets Manager does not answer.
const STALE_TTL: Duration = Duration::from_hours(1);

/// What a secret stands for, and which of its versions count.
pub struct Secret<T> {
    client: Client,
    arn: String,
    /// The staging labels of the versions, the first of which must exist.
    stages: &'static [&'static str],
    /// Makes the value of the versions' texts. The error is a rule: a parser's own message could quote the secret.
    parse: fn(&[String]) -> Result<T, &'static str>,
    /// Held for a moment only, so that whoever has a fresh secret in it never waits for Secrets Manager.
    cache: Mutex<Option<Cached<T>>>,
    /// Held while Secrets Manager is asked: one request asks for all.
    refresh: tokio::sync::Mutex<()>,
}

struct Cached<T> {
    value: T,
    read_at: Instant,
    tried_at: Instant,
}

impl<T: Clone> Secret<T> {
    pub fn new(
        client: Client,
        arn: String,
        stages: &'static [&'static str],
        parse: fn(&[String]) -> Result<T, &'static str>,
    ) -> Self {
        Self { client, arn, stages, parse, cache: Mutex::default(), refresh: tokio::sync::Mutex::default() }
    }

    /// Returns the value, read again when the last try is older than `max_age`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the secret was never read and cannot be read now.
    pub async fn value(&self, max_age: Duration) -> Result<T, Error> {
        if let Some(value) = self.fresh_within(max_age) {
            return Ok(value);
        }
        let _refresh = self.refresh.lock().await;
        match self.fresh_within(max_age) {
            Some(value) => Ok(value),
            None => self.store(self.read().await),
        }
    }

    fn fresh_within(&self, max_age: Duration) -> Option<T> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.as_ref().filter(|cached| cached.tried_at.elapsed() < max_age).map(|cached| cached.value.clone())
    }

    /// Stores what was read; after a failure, what was read before stays good for a while.
    fn store(&self, answer: Result<T, Error>) -> Result<T, Error> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        // The time of the answer: a try that took long must not be followed by the next one at once.
        let now = Instant::now();
        match (answer, cache.as_mut()) {
            (Ok(value), _) => {
                *cache = Some(Cached { value: value.clone(), read_at: now, tried_at: now });
                Ok(value)
            }
            (Err(error), Some(cached)) if cached.read_at.elapsed() < STALE_TTL => {
                tracing::warn!(error.message = %error, "a secret cannot be read, the cached one stays in use");
                cached.tried_at = now;
                Ok(cached.value.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn read(&self) -> Result<T, Error> {
        let mut versions = Vec::new();
        for stage in self.stages {
            match self.read_version(stage).await? {
                Some(version) => versions.push(version),
                None if versions.is_empty() => return Err(unavailable("the secret has no value".to_owned())),
                None => break,
            }
        }
        (self.parse)(&versions).map_err(|rule| unavailable(format!("the secret must be {rule}")))
    }

    /// Reads one version; none where no version has the label, as before the first rotation.
    async fn read_version(&self, stage: &str) -> Result<Option<String>, Error> {
        match self.client.get_secret_value().secret_id(&self.arn).version_stage(stage).send().await {
            Ok(answer) => Ok(answer.secret_string),
            Err(error)
                if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::unavailable("Secrets Manager", "GetSecretValue", &error)),
        }
    }
}

fn unavailable(reason: String) -> Error {
    Error::Unavailable { service: "Secrets Manager", operation: "GetSecretValue", reason }
}
