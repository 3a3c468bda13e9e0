//! The settings of every AWS client: region, endpoints and credentials from the standard variables, one HTTPS client
//! for all.
//!
//! Lambda hands these variables to a function, so `aws-config` with its profiles, SSO and metadata service would only
//! add start-up time. See <https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html>.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::client::HyperConnector;
use crate::env::{ConfigError, Lookup, invalid, optional, required};
use crate::time::parse_rfc3339;

/// Five attempts within 1.5 s of random waits. The SDK's own three attempts wait up to 3 s, and failed far more
/// invocations when a third of all calls was throttled: `docs/RELIABILITY.md` has the figures.
const ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Long enough for a slow answer, short enough that two tries end before API Gateway gives up at 30 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(12);

/// Region, credentials and endpoints, as every SDK reads them.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID` and its companions; with an expiry when `AWS_CREDENTIAL_EXPIRATION` names one.
    pub credentials: Credentials,
    /// Endpoint overrides: `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`.
    pub endpoints: Endpoints,
    connector: SharedHttpConnector,
}

impl AwsConfig {
    /// Reads the standard variables.
    ///
    /// # Errors
    /// The first variable that is missing or cannot be read.
    pub fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        Ok(Self {
            region: optional(lookup, "AWS_REGION")
                .map_or_else(|| required(lookup, "AWS_DEFAULT_REGION"), Ok)
                .map_err(|_| ConfigError::Missing("AWS_REGION"))?,
            credentials: credentials(lookup)?,
            endpoints: Endpoints::from_env(lookup)?,
            connector: SharedHttpConnector::new(connector(lookup)?),
        })
    }

    /// The settings that `Client::new` of every AWS service takes.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let connector = self.connector.clone();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .service_config(self.endpoints.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_BACKOFF))
            .timeout_config(timeouts)
            .sleep_impl(TokioSleep::new())
            .http_client(http_client_fn(move |_, _| connector.clone()));
        config.set_endpoint_url(self.endpoints.every.clone());
        config.build()
    }
}

fn connector(lookup: Lookup) -> Result<HyperConnector, ConfigError> {
    const AUTHORITIES: &str = "AWS_CA_BUNDLE";
    HyperConnector::new(optional(lookup, AUTHORITIES).as_deref())
        .map_err(|_| invalid(AUTHORITIES, "the path of a file of PEM certificates"))
}

fn credentials(lookup: Lookup) -> Result<Credentials, ConfigError> {
    const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";
    let expires = optional(lookup, EXPIRATION)
        .map(|text| parse_rfc3339(&text).ok_or_else(|| invalid(EXPIRATION, "an RFC 3339 time")))
        .transpose()?;
    let mut credentials = Credentials::builder()
        .access_key_id(required(lookup, "AWS_ACCESS_KEY_ID")?)
        .secret_access_key(required(lookup, "AWS_SECRET_ACCESS_KEY")?)
        .provider_name("Environment");
    credentials.set_session_token(optional(lookup, "AWS_SESSION_TOKEN"));
    credentials.set_expiry(expires);
    Ok(credentials.build())
}

/// Where services are found when not at their public address.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    every: Option<String>,
    by_service: Vec<(&'static str, String)>,
}

/// The services that the functions call, as their endpoint variables spell them.
const SERVICES: [(&str, &str); 6] = [
    ("DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
    ("ELASTIC_TRANSCODER", "AWS_ENDPOINT_URL_ELASTIC_TRANSCODER"),
    ("EVENTBRIDGE", "AWS_ENDPOINT_URL_EVENTBRIDGE"),
    ("MEDIACONVERT", "AWS_ENDPOINT_URL_MEDIACONVERT"),
    ("SECRETS_MANAGER", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
];

impl Endpoints {
    fn from_env(lookup: Lookup) -> Result<Self, ConfigError> {
        let url = |name: &'static str| match optional(lookup, name) {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Some(url.trim_end_matches('/').to_owned()))
            }
            Some(_) => Err(invalid(name, "an http:// or https:// URL")),
            None => Ok(None),
        };
        let mut by_service = Vec::new();
        for (service, variable) in SERVICES {
            by_service.extend(url(variable)?.map(|url| (service, url)));
        }
        Ok(Self { every: url("AWS_ENDPOINT_URL")?, by_service })
    }

    /// The endpoint of one service, named as its variable spells it (`S3`, `DYNAMODB`).
    #[must_use]
    pub fn of(&self, service: &str) -> Option<&str> {
        let own = self.by_service.iter().find(|(name, _)| *name == service).map(|(_, url)| url);
        own.or(self.every.as_ref()).map(String::as_str)
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        let asked_for_endpoint = key.env() == "AWS_ENDPOINT_URL";
        self.of(&service).filter(|_| asked_for_endpoint).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<AwsConfig, String> {
        let base = [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "canary")];
        let lookup = |name: &str| {
            let find = |list: &[(&str, &str)]| list.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            find(variables).or_else(|| find(&base))
        };
        AwsConfig::from_env(&lookup).map_err(|e| e.to_string())
    }

    #[test]
    fn the_default_region_stands_in_for_a_missing_region() {
        assert_eq!(read(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-2")]).unwrap().region, "us-east-2");
        assert_eq!(read(&[("AWS_REGION", "")]).unwrap_err(), "Failed to find required AWS_REGION environment variable");
    }

    #[test]
    fn a_service_has_its_own_endpoint_or_the_general_one() {
        let aws = read(&[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/"),
            ("AWS_ENDPOINT_URL_ELASTIC_TRANSCODER", "http://127.0.0.1:2"),
        ])
        .unwrap();
        assert_eq!(aws.endpoints.of("S3"), Some("http://127.0.0.1:1"));
        assert_eq!(aws.endpoints.of("ELASTIC_TRANSCODER"), Some("http://127.0.0.1:2"));
        assert_eq!(read(&[]).unwrap().endpoints.of("S3"), None);
    }

    #[test]
    fn the_sdk_takes_the_service_endpoint() {
        let aws = read(&[("AWS_ENDPOINT_URL_ELASTIC_TRANSCODER", "http://127.0.0.1:2")]).unwrap();
        let config = aws_sdk_elastictranscoder::Config::from(&aws.sdk_config());
        assert!(format!("{config:?}").contains("http://127.0.0.1:2"));
    }

    #[test]
    fn a_bad_endpoint_or_expiry_is_named() {
        assert!(read(&[("AWS_ENDPOINT_URL_S3", "localhost")]).unwrap_err().contains("AWS_ENDPOINT_URL_S3"));
        assert!(read(&[("AWS_CREDENTIAL_EXPIRATION", "soon")]).unwrap_err().contains("AWS_CREDENTIAL_EXPIRATION"));
    }

    #[test]
    fn debug_output_never_shows_the_secret_key() {
        assert!(!format!("{:?}", read(&[]).unwrap()).contains("canary"));
    }
}
