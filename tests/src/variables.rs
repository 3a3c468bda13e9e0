//! The environment variables of a deployment, and the functions that are configured with them.

use std::collections::BTreeMap;

use axum::Router;
use serde_json::Value;
use video_core::aws::AwsConfig;
use video_core::config::{ApiConfig, EventsConfig};

/// The environment variables of both functions.
#[derive(Clone)]
pub struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    /// The discard port on loopback, where nothing listens.
    pub const NOWHERE: &str = "http://127.0.0.1:9";

    /// Returns the variables of a deployment that reaches no AWS service.
    pub fn without_aws() -> Self {
        let variables = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", Self::NOWHERE),
            ("RESPONSES_TABLE_NAME", "responses"),
            ("MEDIA_BUCKET_NAME", "media"),
            ("OUTPUT_BUCKET_NAME", "output"),
            ("MEDIACONVERT_ROLE_ARN", "arn:aws:iam::000000000000:role/mediaconvert"),
            ("ADMIN_USERNAME", "admin"),
            ("ADMIN_PASSWORD", "local"),
        ];
        Self(variables.map(|(name, value)| (name, value.to_owned())).into())
    }

    /// Returns the variables of a deployment on the local system that this ready file describes.
    pub fn of(ready: &Value) -> Self {
        let fields = [
            ("AWS_REGION", "/region"),
            ("AWS_ACCESS_KEY_ID", "/access_key_id"),
            ("AWS_SECRET_ACCESS_KEY", "/secret_access_key"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "/dynamodb"),
            ("AWS_ENDPOINT_URL_S3", "/s3"),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", "/eventbridge"),
            ("AWS_ENDPOINT_URL_ELASTIC_TRANSCODER", "/transcoder"),
            ("AWS_ENDPOINT_URL_MEDIACONVERT", "/transcoder"),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", "/transcoder"),
            ("RESPONSES_TABLE_NAME", "/table"),
            ("MEDIA_BUCKET_NAME", "/media_bucket"),
            ("OUTPUT_BUCKET_NAME", "/output_bucket"),
            ("ADMIN_USERNAME", "/admin/username"),
            ("ADMIN_PASSWORD", "/admin/password"),
        ];
        let value = |field: &str| ready.pointer(field).and_then(Value::as_str).unwrap();
        fields.into_iter().fold(Self::without_aws(), |all, (name, field)| all.with(name, value(field)))
    }

    /// Adds or replaces a variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// Points every AWS client at one address.
    #[must_use]
    pub fn with_aws_at(mut self, url: &str) -> Self {
        self.0.retain(|name, _| !name.starts_with("AWS_ENDPOINT_URL"));
        self.with("AWS_ENDPOINT_URL", url)
    }

    /// Iterates over names and values, for the environment of a process.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Returns the configuration of the AWS clients.
    pub fn aws(&self) -> AwsConfig {
        AwsConfig::from_env(&|name| self.lookup(name)).unwrap()
    }

    /// Returns the API function.
    pub fn api(&self) -> Router {
        let config = ApiConfig::from_env(&|name| self.lookup(name)).unwrap();
        video_api::router(video_api::AppState::new(config, &self.aws()).unwrap())
    }

    /// Returns the events function.
    pub fn events(&self) -> video_events::State {
        video_events::State::new(EventsConfig::from_env(&|name| self.lookup(name)).unwrap(), &self.aws())
    }

    fn lookup(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}
