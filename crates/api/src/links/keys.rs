//! The keys that upload links are sealed with: from the environment, or from a secret that can be rotated.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use rusty_paseto::core::Key;
use video_core::config::{LinkConfig, MIN_LINK_SECRET_LENGTH};

use super::UploadLink;
use super::token::LinkKey;
use crate::error::Error;
use crate::secret::{MISMATCH_REFRESH_INTERVAL, REFRESH_INTERVAL, Secret};

/// Seals and opens links, wherever the keys come from. The newest key comes first, and alone seals.
pub enum LinkKeys {
    /// No links.
    None,
    /// The local system: the key never changes.
    Fixed(Keys),
    /// A deployment: a rotated secret's previous version still opens what it sealed.
    Secret(Secret<Keys>),
}

type Keys = Arc<[LinkKey]>;

impl std::fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKeys(..)")
    }
}

impl LinkKeys {
    pub fn new(config: LinkConfig, aws: &SdkConfig) -> Self {
        match config {
            LinkConfig::None => Self::None,
            LinkConfig::Fixed { secret } => Self::Fixed(Arc::new([key(&secret)])),
            LinkConfig::Secret { arn } => {
                Self::Secret(Secret::new(Client::new(aws), arn, &["AWSCURRENT", "AWSPREVIOUS"], keys))
            }
        }
    }

    /// Seals links with the newest key.
    ///
    /// # Errors
    /// [`Error::NotFound`] without a secret, [`Error::Unavailable`] when it cannot be read.
    pub async fn seal(&self, links: &[UploadLink]) -> Result<Vec<String>, Error> {
        let keys = self.keys(REFRESH_INTERVAL).await?;
        let key = keys.first().ok_or(Error::NotFound("upload links need UPLOAD_LINK_SECRET_ARN, which is not set"))?;
        let sealed: Result<_, _> = links.iter().map(|link| link.seal(key)).collect();
        Ok(sealed?)
    }

    /// Opens a token that is valid now.
    ///
    /// # Errors
    /// [`Error::InvalidLink`] for every other token alike, [`Error::Unavailable`] when the secret cannot be read.
    pub async fn open(&self, token: &str, now: SystemTime) -> Result<UploadLink, Error> {
        let open = |keys: Keys| keys.iter().find_map(|key| UploadLink::open(token, key));
        let link = match open(self.keys(REFRESH_INTERVAL).await?) {
            Some(link) => Some(link),
            // A token that does not open may be sealed with a key that is newer than the cached ones.
            None => open(self.keys(MISMATCH_REFRESH_INTERVAL).await?),
        };
        link.filter(|link| now < link.expires_at).ok_or(Error::InvalidLink)
    }

    async fn keys(&self, max_age: Duration) -> Result<Keys, Error> {
        Ok(match self {
            Self::None => Arc::new([]),
            Self::Fixed(keys) => keys.clone(),
            Self::Secret(secret) => secret.value(max_age).await?,
        })
    }
}

fn keys(versions: &[String]) -> Result<Keys, &'static str> {
    if versions.iter().all(|secret| secret.len() >= MIN_LINK_SECRET_LENGTH) {
        Ok(versions.iter().map(|secret| key(secret)).collect())
    } else {
        Err("a text of at least 32 characters")
    }
}

/// Makes a key of the right length of a secret that is a text.
fn key(secret: &str) -> LinkKey {
    let digest: [u8; 32] = Blake2b::<U32>::digest(secret.as_bytes()).into();
    LinkKey::from(Key::<32>::from(digest))
}
