//! What the handlers share.

use std::ops::Deref;
use std::sync::Arc;

use aws_types::SdkConfig;
use axum::http::HeaderValue;
use video_core::aws::{AwsConfig, Bucket, Signer};
use video_core::config::{ApiConfig, UploadConfig};
use video_core::env::ConfigError;
use video_core::records::Table;

use crate::auth::Authenticator;

/// The application: its configuration and its clients.
#[derive(Debug)]
pub struct App {
    pub(crate) signer: Signer,
    pub(crate) table: Table,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) media: Bucket,
    pub(crate) output: Bucket,
    pub(crate) upload: UploadConfig,
    pub(crate) allowed_origin: Option<HeaderValue>,
    pub(crate) authenticator: Authenticator,
}

/// The application as every handler gets it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<App>);

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl AppState {
    /// Creates the application for this configuration; nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the allowed origin cannot stand in a header.
    pub fn new(config: ApiConfig, aws: &AwsConfig) -> Result<Self, ConfigError> {
        let sdk = aws.sdk_config();
        let origin = config.allowed_origin.as_deref().map(HeaderValue::from_str).transpose();
        let rule = || "visible ASCII characters only".to_owned();
        Ok(Self(Arc::new(App {
            signer: Signer::new(aws),
            table: Table::new(&sdk, &config.table),
            s3: s3_client(&sdk, aws),
            media: Bucket::new(&config.media_bucket, aws),
            output: Bucket::new(&config.output_bucket, aws),
            upload: config.upload,
            allowed_origin: origin.map_err(|_| ConfigError::Invalid { name: "ALLOWED_ORIGIN", rule: rule() })?,
            authenticator: Authenticator::new(config.admin, &sdk),
        })))
    }

    /// Opens the connection to DynamoDB, so that the first caller need not wait for it; see [`Table::connect`].
    pub async fn connect(&self) {
        self.table.connect().await;
    }
}

/// Creates the S3 client: path-style behind an endpoint of one's own, where a bucket has no host name.
fn s3_client(sdk: &SdkConfig, aws: &AwsConfig) -> aws_sdk_s3::Client {
    let path_style = aws.endpoints.of("S3").is_some();
    let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(path_style).build();
    aws_sdk_s3::Client::from_conf(config)
}
