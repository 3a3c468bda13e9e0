//! A whole system on free ports and in a directory of its own, with the clients that its users have.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use reqwest::multipart::Part;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use video_core::records::Table;
use video_local::{Description, Options, System};

use crate::{Variables, eventually};

/// A running system that ends with the test.
pub struct TestSystem {
    pub at: Description,
    pub http: reqwest::Client,
    pub dir: TempDir,
    system: System,
}

/// An upload form as a browser gets it.
#[derive(Debug, Clone)]
pub struct Form {
    pub url: String,
    pub fields: BTreeMap<String, String>,
}

impl TestSystem {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts with options that `change` changes.
    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    /// Starts over a directory that another system may have left.
    pub async fn start_in(dir: TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(dir.path());
        change(&mut options);
        let system = System::start(options).await.unwrap();
        Self { at: system.description().clone(), http: reqwest::Client::new(), dir, system }
    }

    /// Stops and gives the directory back.
    pub async fn stop(self) -> TempDir {
        let Self { http, system, dir, .. } = self;
        drop(http);
        system.stop().await;
        dir
    }

    /// `GET` without credentials; `path` may hold a query.
    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.at.api)).send().await.unwrap()
    }

    /// `GET` as the admin.
    pub async fn get_as_admin(&self, path: &str) -> Response {
        let admin = &self.at.admin;
        let request =
            self.http.get(format!("{}{path}", self.at.api)).basic_auth(&admin.username, Some(&admin.password));
        request.send().await.unwrap()
    }

    /// Asks for a form.
    pub async fn form(&self, path_and_query: &str) -> Form {
        let response = self.get(path_and_query).await;
        assert_eq!(response.status(), StatusCode::OK);
        let form: Value = response.json().await.unwrap();
        let fields = form["fields"].as_object().unwrap().iter();
        Form {
            url: form["url"].as_str().unwrap().to_owned(),
            fields: fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
        }
    }

    /// Posts a form as a browser does: the file last.
    pub async fn post(&self, form: &Form, file: Vec<u8>) -> Response {
        let mut body = reqwest::multipart::Form::new();
        for (name, value) in &form.fields {
            body = body.text(name.clone(), value.clone());
        }
        let file = Part::bytes(file).file_name("video");
        self.http.post(&form.url).multipart(body.part("file", file)).send().await.unwrap()
    }

    /// Asks for a form and posts the file with it; answers the key.
    pub async fn upload(&self, path_and_query: &str, file: Vec<u8>) -> String {
        let form = self.form(path_and_query).await;
        assert_eq!(self.post(&form, file).await.status(), StatusCode::CREATED);
        form.fields["key"].clone()
    }

    /// The admin's list for a query such as `?limit=1`.
    pub async fn videos(&self, query: &str) -> Vec<Value> {
        let response = self.get_as_admin(&format!("/videos{query}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// The record of a key, when there is one.
    pub async fn video(&self, key: &str) -> Option<Value> {
        self.videos("?limit=1000").await.into_iter().find(|video| video["video"] == key)
    }

    /// The record of a key once it is `ready` or `failed`.
    pub async fn settled(&self, key: &str) -> Value {
        let done = |video: &Value| video["status"] == "ready" || video["status"] == "failed";
        eventually(&format!("{key} is ready or failed"), async || self.video(key).await.filter(done)).await
    }

    /// What `playback` leads to.
    pub async fn play(&self, video: &Value) -> Vec<u8> {
        let playback = video["playback"].as_str().unwrap_or_else(|| panic!("no playback in {video}"));
        let response = self.http.get(playback).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.bytes().await.unwrap().to_vec()
    }

    /// Invokes the events function as AWS would, past the queue.
    pub async fn invoke(&self, event: Value) -> Result<(), video_events::Error> {
        video_events::handle(self.system.events_function(), event).await.map(|_| ())
    }

    /// The real S3 SDK against the local S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk_config(&self.at.s3)).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// The real DynamoDB SDK against the local DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk_config(&self.at.dynamodb))
    }

    /// The table of records, as the functions use it.
    pub fn table(&self) -> Table {
        Table::new(&self.sdk_config(&self.at.dynamodb), self.at.table)
    }

    /// What a deployment on this system gives its functions.
    pub fn variables(&self) -> Variables {
        Variables::of(&serde_json::to_value(&self.at).unwrap())
    }

    /// The settings of an SDK client for one of the system's endpoints.
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

    /// The dead letters so far.
    pub fn dead_letters(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("dead-letter.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
