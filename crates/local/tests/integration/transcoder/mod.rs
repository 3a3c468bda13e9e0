//! The local transcoders under the real SDKs, with the real ffmpeg and real videos.

mod access;
mod elastictranscoder;
mod failures;
mod media;
mod mediaconvert;
mod posters;
mod worker;

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_elastictranscoder as ets;
use aws_sdk_elastictranscoder::types::{CreateJobOutput, Job, JobInput};
use aws_sdk_mediaconvert as emc;
use aws_sdk_mediaconvert::types as mc;
use aws_types::region::Region;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use video_local::aws_json;
use video_local::s3::{Attributes, EventName, Store};
use video_local::sqlite::Database;
use video_local::transcoder::{self, Ffmpeg, Settings, Transcoder};

use crate::eventually::TIMEOUT;
use crate::http::send;
use crate::store::{MEDIA, OUTPUT, REGION, object_files, open_store};

const ACCOUNT: &str = "000000000000";
const WEB: &str = "1351620000001-100070";
const ROLE: &str = "arn:aws:iam::000000000000:role/transcode";

/// Both services on one port, over one data directory.
pub struct Local {
    pub dir: TempDir,
    pub database: Database,
    pub store: Store,
    pub transcoder: Transcoder,
    pub address: SocketAddr,
    pub pipeline: String,
}

/// The running worker; dropped, it continues until the runtime ends.
pub struct Worker {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Worker {
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

impl Local {
    pub async fn start() -> Self {
        Self::start_with(Ffmpeg::default()).await
    }

    pub async fn start_with(ffmpeg: Ffmpeg) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), ffmpeg).await
    }

    pub async fn start_in(dir: TempDir, ffmpeg: Ffmpeg) -> Self {
        Self::start_lagging(dir, ffmpeg, Duration::ZERO).await
    }

    /// Starts services whose lists do not have a new job yet.
    pub async fn start_lagging(dir: TempDir, ffmpeg: Ffmpeg, listing_lag: Duration) -> Self {
        // Only the transcoders' own events matter here.
        let (database, store) = open_store(dir.path(), "no-bucket");
        let settings = Settings {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            concurrent_jobs: NonZeroUsize::MIN,
            ffmpeg,
            listing_lag,
        };
        let transcoder = Transcoder::new(database.clone(), store.clone(), settings);
        let pipeline = transcoder::create_pipeline(&transcoder, "videos", MEDIA, OUTPUT).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = transcoder::routes(transcoder.clone());
        let router = aws_json::router(routes, "local");
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { dir, database, store, transcoder, address, pipeline }
    }

    pub fn work(&self) -> Worker {
        let (stop, stopped) = oneshot::channel();
        let work = transcoder::work(self.transcoder.clone(), async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        Worker { stop, ended: tokio::spawn(work) }
    }

    pub fn elastictranscoder(&self) -> ets::Client {
        self.elastictranscoder_as("local")
    }

    pub fn elastictranscoder_as(&self, access_key_id: &str) -> ets::Client {
        let config = ets::Config::builder()
            .behavior_version(ets::config::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(Credentials::new(access_key_id, "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        ets::Client::from_conf(config)
    }

    pub fn mediaconvert(&self) -> emc::Client {
        let config = emc::Config::builder()
            .behavior_version(emc::config::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(Credentials::new("local", "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        emc::Client::from_conf(config)
    }

    pub async fn put(&self, bucket: &str, key: &str, content: &Path) {
        let staged = self.store.stage().unwrap();
        fs::copy(content, staged.path()).unwrap();
        let content = staged.seal().await.unwrap();
        self.store.transaction(|tx| tx.put(bucket, key, content, &Attributes::default(), EventName::Post)).unwrap();
    }

    pub async fn put_bytes(&self, bucket: &str, key: &str, content: &[u8]) {
        let path = self.path("bytes");
        fs::write(&path, content).unwrap();
        self.put(bucket, key, &path).await;
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Creates the job that `video-core` creates for a key.
    pub async fn submit(&self, key: &str) -> Job {
        let client = self.elastictranscoder();
        let output = CreateJobOutput::builder().key(format!("web/{key}")).preset_id(WEB).build();
        let request = client
            .create_job()
            .pipeline_id(&self.pipeline)
            .input(JobInput::builder().key(key).build())
            .output_key_prefix("output/")
            .outputs(output)
            .user_metadata("token", "0123abcd")
            .user_metadata("key", "Alba/0/%20a.webm");
        request.send().await.unwrap().job.unwrap()
    }

    pub async fn submit_to_mediaconvert(&self, key: &str, destination: &str) -> mc::Job {
        self.mediaconvert()
            .create_job()
            .role(ROLE)
            .settings(settings(&format!("s3://media/{key}"), destination))
            .user_metadata("token", "0123abcd")
            .send()
            .await
            .unwrap()
            .job
            .unwrap()
    }

    pub async fn read(&self, id: &str) -> Job {
        self.elastictranscoder().read_job().id(id).send().await.unwrap().job.unwrap()
    }

    /// Waits for `count` events and returns them in the order in which they were enqueued.
    pub async fn events(&self, count: usize) -> Vec<Value> {
        let mut commits = self.database.commits();
        let wait = async {
            loop {
                let events = self.events_now();
                if events.len() >= count {
                    return events;
                }
                commits.changed().await.unwrap();
            }
        };
        let events = tokio::time::timeout(TIMEOUT, wait).await.expect("not enough events in time");
        assert_eq!(events.len(), count, "{events:#?}");
        events
    }

    pub fn events_now(&self) -> Vec<Value> {
        self.database
            .read(|db| {
                let mut statement = db.prepare("SELECT payload FROM events ORDER BY id")?;
                let payloads = statement.query_map([], |row| row.get::<_, String>(0))?;
                Ok::<_, rusqlite::Error>(
                    payloads.map(|payload| serde_json::from_str(&payload.unwrap()).unwrap()).collect(),
                )
            })
            .unwrap()
    }

    /// Waits for `count` SNS events and returns their messages.
    pub async fn messages(&self, count: usize) -> Vec<Value> {
        self.events(count).await.iter().map(message).collect()
    }

    pub async fn last_message(&self, count: usize) -> Value {
        message(self.events(count).await.last().unwrap())
    }

    pub fn output(&self, key: &str) -> PathBuf {
        self.store.find("output", key).unwrap().expect("the output object").path
    }

    pub fn object_files(&self) -> usize {
        object_files(self.dir.path())
    }

    /// Sends a signed POST with any body.
    pub async fn post(&self, path: &str, body: &str) -> String {
        let address = self.address;
        let authorization = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/elastictranscoder/aws4_request, \
                             SignedHeaders=host;x-amz-date, Signature=00";
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        send(address, &head, body.as_bytes()).await
    }
}

fn message(event: &Value) -> Value {
    serde_json::from_str(event["Records"][0]["Sns"]["Message"].as_str().unwrap()).unwrap()
}

fn settings(input: &str, destination: &str) -> mc::JobSettings {
    let output = mc::Output::builder()
        .container_settings(mc::ContainerSettings::builder().container(mc::ContainerType::Mp4).build())
        .build();
    let group = mc::OutputGroup::builder()
        .output_group_settings(
            mc::OutputGroupSettings::builder()
                .r#type(mc::OutputGroupType::FileGroupSettings)
                .file_group_settings(mc::FileGroupSettings::builder().destination(destination).build())
                .build(),
        )
        .outputs(output)
        .build();
    mc::JobSettings::builder().inputs(mc::Input::builder().file_input(input).build()).output_groups(group).build()
}
