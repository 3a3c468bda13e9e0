//! A whole system on free ports and in a directory of its own, with the clients of its users.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use video_core::TranscoderKind;
use video_core::records::Table;
use video_local::{Description, Options, System};

use crate::{Form, Variables, eventually};

/// A running system that ends with the test.
pub struct TestSystem {
    pub at: Description,
    pub http: reqwest::Client,
    pub dir: TempDir,
    system: System,
}

impl TestSystem {
    /// Starts with the default options.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts with this transcoder.
    pub async fn start_with_transcoder(kind: TranscoderKind) -> Self {
        Self::start_with(|options| options.transcoder = kind).await
    }

    /// Starts with this transcoder and sends no event to the functions: the test invokes them.
    pub async fn start_without_events(kind: TranscoderKind) -> Self {
        Self::start_with(|options| {
            options.transcoder = kind;
            options.deliver_events = false;
        })
        .await
    }

    /// Starts with options that `change` changes.
    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    /// Starts on a directory that another system may have left.
    pub async fn start_in(dir: TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(dir.path());
        change(&mut options);
        let system = System::start(options).await.unwrap();
        Self { at: system.description().clone(), http: reqwest::Client::new(), dir, system }
    }

    /// Stops and returns the directory.
    pub async fn stop(self) -> TempDir {
        let Self { http, system, dir, .. } = self;
        drop(http);
        system.stop().await;
        dir
    }

    /// Sends a GET without credentials; `path` may have a query.
    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.at.api)).send().await.unwrap()
    }

    /// Sends a GET as the admin.
    pub async fn get_as_admin(&self, path: &str) -> Response {
        self.send_as_admin(Method::GET, path).await
    }

    /// Sends a request as the admin.
    pub async fn send_as_admin(&self, method: Method, path: &str) -> Response {
        let admin = &self.at.admin;
        let request = self.http.request(method, format!("{}{path}", self.at.api));
        request.basic_auth(&admin.username, Some(&admin.password)).send().await.unwrap()
    }

    /// Requests a form.
    pub async fn form(&self, path_and_query: &str) -> Form {
        let response = self.get(path_and_query).await;
        assert_eq!(response.status(), StatusCode::OK);
        Form::read(&response.json().await.unwrap()).unwrap()
    }

    /// Posts a form with a file.
    pub async fn post(&self, form: &Form, file: Vec<u8>) -> Response {
        form.post(&self.http, file).await.unwrap()
    }

    /// Requests a form, posts the file with it and returns the key.
    pub async fn upload(&self, path_and_query: &str, file: Vec<u8>) -> String {
        let form = self.form(path_and_query).await;
        assert_eq!(self.post(&form, file).await.status(), StatusCode::CREATED);
        form.fields["key"].clone()
    }

    /// Puts an object into the media bucket without a form.
    pub async fn put(&self, key: &str, file: Vec<u8>) {
        let put = self.s3().put_object().bucket(self.at.media_bucket).key(key).body(file.into());
        put.send().await.unwrap();
    }

    /// Returns the admin's list for a query such as `?limit=1`.
    pub async fn videos(&self, query: &str) -> Vec<Value> {
        let response = self.get_as_admin(&format!("/videos{query}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Returns the record of a key, if there is one.
    pub async fn video(&self, key: &str) -> Option<Value> {
        self.videos("?limit=500").await.into_iter().find(|video| video["video"] == key)
    }

    /// Waits until the record of a key is `ready` or `failed` and returns it.
    pub async fn settled(&self, key: &str) -> Value {
        let done = |video: &Value| video["status"] == "ready" || video["status"] == "failed";
        eventually(&format!("{key} is ready or failed"), async || self.video(key).await.filter(done)).await
    }

    /// Downloads what `playback` links to.
    pub async fn play(&self, video: &Value) -> Vec<u8> {
        let playback = video["playback"].as_str().unwrap_or_else(|| panic!("no playback in {video}"));
        let response = self.http.get(playback).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.bytes().await.unwrap().to_vec()
    }

    /// Invokes the events function directly, past the queue, and returns its answer.
    ///
    /// # Errors
    /// When Lambda would retry the event.
    pub async fn invoke(&self, event: Value) -> Result<Value, video_events::Error> {
        video_events::handle(self.system.events_function(), event).await
    }

    /// Returns the AWS SDK's client of the local S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk_config(&self.at.s3)).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Returns the AWS SDK's client of the local DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk_config(&self.at.dynamodb))
    }

    /// Returns the table of records as the functions use it.
    pub fn table(&self) -> Table {
        Table::new(&self.sdk_config(&self.at.dynamodb), self.at.table)
    }

    /// Returns the environment variables of functions that are deployed on this system.
    pub fn variables(&self) -> Variables {
        Variables::of(&serde_json::to_value(&self.at).unwrap())
    }

    /// Returns the configuration of an SDK client of one of the system's endpoints.
    pub fn sdk_config(&self, endpoint: &str) -> SdkConfig {
        let credentials = Credentials::new(self.at.access_key_id, self.at.secret_access_key, None, None, "test");
        SdkConfig::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(Region::new(self.at.region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build()
    }

    /// Returns the dead letters so far.
    pub fn dead_letters(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("dead-letter.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
