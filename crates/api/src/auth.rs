//! The one admin's name and password: from the environment, or from a secret that can be rotated.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use blake2::{Blake2b512, Digest};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use video_core::error::describe;
use video_core::{Error as CoreError, config};

/// The right name and password.
#[derive(Deserialize, Clone)]
pub struct Login {
    username: String,
    password: String,
}

impl Login {
    /// Compares in the same time for a wrong name, a wrong password and both, whatever they have in common with the
    /// right ones.
    fn matches(&self, username: &str, password: &str) -> bool {
        let same = |right: &str, given: &str| Blake2b512::digest(right).ct_eq(&Blake2b512::digest(given));
        (same(&self.username, username) & same(&self.password, password)).into()
    }
}

/// Verifies names and passwords, wherever the right ones are kept.
pub enum Authenticator {
    /// The local system: they never change.
    Fixed(Login),
    /// A deployment: they change when an operator rotates the secret.
    Secret(Secret),
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

impl Authenticator {
    pub fn new(admin: config::AdminConfig, aws: &SdkConfig) -> Self {
        match admin {
            config::AdminConfig::Fixed { username, password } => Self::Fixed(Login { username, password }),
            config::AdminConfig::Secret { arn } => Self::Secret(Secret {
                client: Client::new(aws),
                arn,
                cache: Cache::default(),
                refresh: Refresh::default(),
            }),
        }
    }

    /// Returns whether these are the admin's name and password.
    ///
    /// # Errors
    /// [`CoreError::Unavailable`] when the secret was never read and cannot be read now.
    pub async fn verify(&self, username: &str, password: &str) -> Result<bool, CoreError> {
        match self {
            Self::Fixed(login) => Ok(login.matches(username, password)),
            Self::Secret(secret) => {
                // A login that does not match may be newer than the cached one.
                Ok(secret.login(REFRESH_INTERVAL).await?.matches(username, password)
                    || secret.login(MISMATCH_REFRESH_INTERVAL).await?.matches(username, password))
            }
        }
    }
}

/// A rotated secret is picked up after this time at the latest.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// Wrong passwords cost at most one call in this time.
const MISMATCH_REFRESH_INTERVAL: Duration = Duration::from_secs(10);
/// How long the cached login stays good while Secrets Manager does not answer.
const STALE_TTL: Duration = Duration::from_hours(1);

/// A login in Secrets Manager, kept between requests and read again so that rotation needs no restart.
pub struct Secret {
    client: Client,
    arn: String,
    cache: Cache,
    refresh: Refresh,
}

/// Held for a moment only, so that whoever has a fresh login in it never waits for Secrets Manager.
type Cache = std::sync::Mutex<Option<Cached>>;
/// Held while Secrets Manager is asked: one request asks for all.
type Refresh = tokio::sync::Mutex<()>;

struct Cached {
    login: Login,
    read_at: Instant,
    tried_at: Instant,
}

impl Secret {
    /// Returns the login, read again when the last try is older than `max_age`.
    async fn login(&self, max_age: Duration) -> Result<Login, CoreError> {
        if let Some(login) = self.fresh_within(max_age) {
            return Ok(login);
        }
        let _refresh = self.refresh.lock().await;
        match self.fresh_within(max_age) {
            Some(login) => Ok(login),
            None => self.store(self.read().await),
        }
    }

    fn fresh_within(&self, max_age: Duration) -> Option<Login> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.as_ref().filter(|cached| cached.tried_at.elapsed() < max_age).map(|cached| cached.login.clone())
    }

    /// Stores what was read; after a failure, what was read before stays good for a while.
    fn store(&self, answer: Result<Login, CoreError>) -> Result<Login, CoreError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        // The time of the answer: a try that took long must not be followed by the next one at once.
        let now = Instant::now();
        match (answer, cache.as_mut()) {
            (Ok(login), _) => {
                *cache = Some(Cached { login: login.clone(), read_at: now, tried_at: now });
                Ok(login)
            }
            (Err(error), Some(cached)) if cached.read_at.elapsed() < STALE_TTL => {
                tracing::warn!(error.message = %error, "the admin secret cannot be read, the cached one stays in use");
                cached.tried_at = now;
                Ok(cached.login.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn read(&self) -> Result<Login, CoreError> {
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let unavailable =
            |reason| CoreError::Unavailable { service: "Secrets Manager", operation: "GetSecretValue", reason };
        let secret = answer.map_err(|error| unavailable(describe(&error)))?.secret_string;
        // The parser's own message could quote the secret.
        serde_json::from_str(&secret.unwrap_or_default())
            .map_err(|_| unavailable("the secret is not JSON with username and password".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_matches_only_with_both_parts_right() {
        let login = Login { username: "admin".to_owned(), password: "pä:ss".to_owned() };
        assert!(login.matches("admin", "pä:ss"));
        for (username, password) in [("admin", "pä:s"), ("admin", ""), ("Admin", "pä:ss"), ("", "pä:ss"), ("", "")] {
            assert!(!login.matches(username, password));
        }
    }
}
