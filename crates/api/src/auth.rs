//! The one admin's name and password: from the environment, or from a secret that can be rotated.

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use blake2::{Blake2b512, Digest};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use video_core::Error as CoreError;
use video_core::config::AdminConfig;

use crate::secret::{MISMATCH_REFRESH_INTERVAL, REFRESH_INTERVAL, Secret};

/// The right name and password.
#[derive(Deserialize, Clone)]
pub struct Login {
    username: String,
    password: String,
}

impl Login {
    fn parse(versions: &[String]) -> Result<Self, &'static str> {
        let current = versions.first().ok_or("there")?;
        serde_json::from_str(current).map_err(|_| "JSON with username and password")
    }

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
    Secret(Secret<Login>),
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

impl Authenticator {
    pub fn new(admin: AdminConfig, aws: &SdkConfig) -> Self {
        match admin {
            AdminConfig::Fixed { username, password } => Self::Fixed(Login { username, password }),
            AdminConfig::Secret { arn } => {
                Self::Secret(Secret::new(Client::new(aws), arn, &["AWSCURRENT"], Login::parse))
            }
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
                Ok(secret.value(REFRESH_INTERVAL).await?.matches(username, password)
                    || secret.value(MISMATCH_REFRESH_INTERVAL).await?.matches(username, password))
            }
        }
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
