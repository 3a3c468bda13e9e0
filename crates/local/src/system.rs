//! Starts every part, connects them by their addresses as a deployment would, and stops them together.

use std::fmt::Display;
use std::fs::{File, TryLockError};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use video_core::TranscoderKind;
use video_core::aws::AwsConfig;
use video_core::config::{ApiConfig, EventsConfig};
use video_core::env::{ConfigError, Lookup};
use video_core::records::Table;

use crate::database::Database;
use crate::dynamo::{self, DynamoError};
use crate::events::{self, Policy};
use crate::s3::{self, Credentials, Notify, Store, StoreError};
use crate::transcoder::{self, Ffmpeg, Transcoder};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";
const ACCESS_KEY_ID: &str = "local";
const SECRET_ACCESS_KEY: &str = "local-secret";
const TABLE: &str = "responses";
const MEDIA_BUCKET: &str = "videos-media";
const OUTPUT_BUCKET: &str = "videos-output";
const PIPELINE: &str = "videos";

/// The events function may take this long, and its lease is a little longer, as in `template.yaml`; shorter than there, so that a crash
/// costs a developer seconds.
const TIMEOUT: Duration = Duration::from_secs(8);
const LEASE_SECONDS: &str = "10";
/// As in `template.yaml`.
const SWEEP_EVERY: Duration = Duration::from_mins(15);
/// s3s holds a posted form in memory, so a form here is smaller than the 5 GiB of S3.
const MAX_UPLOAD_BYTES: &str = "1073741824";

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The API's port; S3, DynamoDB and the transcoders take the next three. 0 takes any four free ones.
    pub port: u16,
    /// Everything that is kept is kept here.
    pub data_dir: PathBuf,
    /// Which transcoder gets the jobs.
    pub transcoder: TranscoderKind,
    /// The programs that do the work.
    pub ffmpeg: Ffmpeg,
    /// How long the events function is left alone after each failure, before the event becomes a dead letter.
    pub retry_delays: Vec<Duration>,
    /// Whether the events function is fed. Without it events stay in the queue, for a function that runs elsewhere to be tried out.
    pub deliver_events: bool,
    /// The functions' variables that differ from the local defaults: limits, the admin's login, an endpoint.
    pub variables: Vec<(String, String)>,
}

impl Options {
    /// The defaults over this data directory, on any free ports.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self {
            port: 0,
            data_dir: data_dir.to_owned(),
            transcoder: TranscoderKind::ElasticTranscoder,
            ffmpeg: Ffmpeg::default(),
            retry_delays: vec![Duration::from_secs(6), Duration::from_secs(12)],
            deliver_events: true,
            variables: Vec::new(),
        }
    }
}

/// Why the system did not start: one line that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("cannot write to the data directory {}: {source}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Two systems on one directory would spoil it.
    #[error("another video-local uses the data directory {}; stop it or choose another with --data-dir", .0.display())]
    InUse(PathBuf),
    /// A port is taken.
    #[error(
        "cannot listen on 127.0.0.1:{port} for {part}: {source}; choose another with --port, or 0 for any free one"
    )]
    Port {
        /// The port.
        port: u16,
        /// What was to listen there.
        part: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no port after the last one.
    #[error("--port must be 0 or at most {}: S3, DynamoDB and the transcoders take the three ports behind it", u16::MAX - 3)]
    PortTooHigh,
    /// A variable of the functions is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error("cannot open the database in the data directory: {0}")]
    Database(#[from] rusqlite::Error),
    /// The object store cannot be opened.
    #[error("cannot open the object store in the data directory: {0}")]
    Store(#[from] StoreError),
    /// The table cannot be created.
    #[error("cannot create the table in the data directory: {0}")]
    Table(#[from] DynamoError),
}

/// Where everything answers and how to get in: the content of the ready file.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The API's URL.
    pub api: String,
    /// The S3 endpoint.
    pub s3: String,
    /// The DynamoDB endpoint.
    pub dynamodb: String,
    /// The endpoint of both transcoders.
    pub transcoder: String,
    /// The region that everything is in.
    pub region: &'static str,
    /// The one key pair.
    pub access_key_id: &'static str,
    /// The secret of the key pair.
    pub secret_access_key: &'static str,
    /// The bucket that browsers post to.
    pub media_bucket: &'static str,
    /// The bucket of the results.
    pub output_bucket: &'static str,
    /// The table of records.
    pub table: &'static str,
    /// The admin's login.
    pub admin: Login,
}

/// The admin's login.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

/// A running system.
#[derive(Debug)]
pub struct System {
    description: Description,
    events_function: video_events::State,
    parts: JoinSet<(&'static str, Result<(), String>)>,
    stop: CancellationToken,
    // Dropped last, when no part writes any more.
    _lock: File,
}

impl System {
    /// Starts everything and answers when everything answers.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let lock = lock(&options.data_dir).await?;
        let ports = Ports::bind(options.port).await?;
        let database =
            Database::open(&options.data_dir.join("local.sqlite"), &[s3::SCHEMA, events::SCHEMA, transcoder::SCHEMA])?;
        let notify = Notify { bucket: MEDIA_BUCKET.to_owned(), region: REGION.to_owned() };
        let store = Store::open(&options.data_dir.join("objects"), database.clone(), notify)?;
        store.create_bucket(MEDIA_BUCKET)?;
        store.create_bucket(OUTPUT_BUCKET)?;
        let transcoder = Transcoder::new(database.clone(), store.clone(), transcoder_settings(options.ffmpeg));
        let pipeline = transcoder.create_pipeline(PIPELINE, MEDIA_BUCKET, OUTPUT_BUCKET)?;

        let variables = variables(&ports, options.transcoder, &pipeline, &options.variables);
        let lookup = |name: &str| variables.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let aws = AwsConfig::from_env(&lookup)?;
        let tables = options.data_dir.join("dynamodb");
        create_table(&tables, &lookup).await?;
        let api = video_api::AppState::new(ApiConfig::from_env(&lookup)?, &aws)?;
        let function = video_events::State::new(EventsConfig::from_env(&lookup)?, &aws);
        let admin = Login {
            username: lookup("ADMIN_USERNAME").unwrap_or_default(),
            password: lookup("ADMIN_PASSWORD").unwrap_or_default(),
        };
        let policy = policy(&options.data_dir, options.retry_delays);

        let mut system = Self {
            description: ports.description(admin),
            events_function: function.clone(),
            parts: JoinSet::new(),
            stop: CancellationToken::new(),
            _lock: lock,
        };
        let stop = system.stop.clone();
        let stopped = || stop.clone().cancelled_owned();
        let dynamo_stopped = stopped();
        system.run("DynamoDB", async move { dynamo::serve(ports.dynamodb, &tables, dynamo_stopped).await });
        system.run("S3", s3::serve(ports.s3, store, credentials(), stopped()));
        system.run("the transcoders", transcoder::serve(ports.transcoder, transcoder.clone(), stopped()));
        system.run("the transcoding", infallible(transcoder::work(transcoder, stopped())));
        system.run("the API", serve_api(ports.api, api, stopped()));
        if options.deliver_events {
            system.run("the schedule", schedule_sweeps(database.clone(), stopped()));
            system.run("the events", events::deliver(database, invoke(function), policy, stopped()));
        }
        Ok(system)
    }

    fn run<E: Display>(&mut self, name: &'static str, part: impl Future<Output = Result<(), E>> + Send + 'static) {
        self.parts.spawn(async move { (name, part.await.map_err(|error| error.to_string())) });
    }

    /// Where everything answers and how to get in.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The events function, to be invoked past the queue.
    #[must_use]
    pub fn events_function(&self) -> &video_events::State {
        &self.events_function
    }

    /// Waits for a part that ends by itself, which none should, and says which one and why.
    pub async fn failure(&mut self) -> String {
        match self.parts.join_next().await {
            Some(Ok((name, Ok(())))) => format!("{name} stopped"),
            Some(Ok((name, Err(reason)))) => format!("{name} stopped: {reason}"),
            Some(Err(error)) => format!("a part stopped: {error}"),
            None => "every part has stopped".to_owned(),
        }
    }

    /// Stops every part. What is not done goes on at the next start.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let everything = async { while self.parts.join_next().await.is_some() {} };
        // A client may hold a connection open for as long as it likes.
        if tokio::time::timeout(Duration::from_secs(10), everything).await.is_err() {
            tracing::warn!("some connections were still open and are cut");
        }
    }
}

/// The functions take their table as given, as on AWS; nothing reaches DynamoDB's own port before it is there.
async fn create_table(dir: &Path, lookup: Lookup<'_>) -> Result<(), StartError> {
    let listener = listen(0, "DynamoDB").await?;
    let endpoint = url(&listener);
    let aside = |name: &str| if name == "AWS_ENDPOINT_URL_DYNAMODB" { Some(endpoint.clone()) } else { lookup(name) };
    let table = Table::new(&AwsConfig::from_env(&aside)?.sdk_config(), TABLE);
    Ok(dynamo::create(listener, dir, Box::pin(table.create())).await?)
}

async fn infallible(work: impl Future<Output = ()>) -> Result<(), std::convert::Infallible> {
    work.await;
    Ok(())
}

/// The four listeners: bound before anything starts, so that a port that is taken stops the start.
struct Ports {
    api: TcpListener,
    s3: TcpListener,
    dynamodb: TcpListener,
    transcoder: TcpListener,
}

impl Ports {
    async fn bind(first: u16) -> Result<Self, StartError> {
        let port =
            |offset: u16| if first == 0 { Ok(0) } else { first.checked_add(offset).ok_or(StartError::PortTooHigh) };
        let last = port(3)?;
        Ok(Self {
            api: listen(port(0)?, "the API").await?,
            s3: listen(port(1)?, "S3").await?,
            dynamodb: listen(port(2)?, "DynamoDB").await?,
            transcoder: listen(last, "the transcoders").await?,
        })
    }

    fn description(&self, admin: Login) -> Description {
        Description {
            api: url(&self.api),
            s3: url(&self.s3),
            dynamodb: url(&self.dynamodb),
            transcoder: url(&self.transcoder),
            region: REGION,
            access_key_id: ACCESS_KEY_ID,
            secret_access_key: SECRET_ACCESS_KEY,
            media_bucket: MEDIA_BUCKET,
            output_bucket: OUTPUT_BUCKET,
            table: TABLE,
            admin,
        }
    }
}

/// Loopback only: nothing here is made for a network.
async fn listen(port: u16, part: &'static str) -> Result<TcpListener, StartError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| StartError::Port { port, part, source })
}

fn url(listener: &TcpListener) -> String {
    listener.local_addr().map(|address| format!("http://{address}")).unwrap_or_default()
}

/// How long a start waits for the lock: a process that is just ending may still have it, and so may a child that another thread is just
/// starting, which has all our files until it becomes another program.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Creates the data directory and takes it for this process; the lock goes with the process, however it ends.
async fn lock(data_dir: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::DataDir { path: data_dir.to_owned(), source };
    std::fs::create_dir_all(data_dir).map_err(failed)?;
    let file = File::create(data_dir.join("lock")).map_err(failed)?;
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => tokio::time::sleep(LOCK_POLL).await,
            Err(TryLockError::WouldBlock) => return Err(StartError::InUse(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

/// The functions' environment: what `template.yaml` sets on AWS, with loopback addresses. Later entries win.
fn variables(
    ports: &Ports,
    transcoder: TranscoderKind,
    pipeline: &str,
    changed: &[(String, String)],
) -> Vec<(String, String)> {
    let endpoint = url(&ports.transcoder);
    let role = format!("arn:aws:iam::{ACCOUNT}:role/mediaconvert");
    let defaults = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ("AWS_ENDPOINT_URL_S3", &url(&ports.s3)),
        ("AWS_ENDPOINT_URL_DYNAMODB", &url(&ports.dynamodb)),
        ("AWS_ENDPOINT_URL_ELASTIC_TRANSCODER", &endpoint),
        ("AWS_ENDPOINT_URL_MEDIACONVERT", &endpoint),
        ("RESPONSES_TABLE_NAME", TABLE),
        ("MEDIA_BUCKET_NAME", MEDIA_BUCKET),
        ("OUTPUT_BUCKET_NAME", OUTPUT_BUCKET),
        ("TRANSCODER", transcoder.as_str()),
        ("PIPELINE_NAME", pipeline),
        ("MEDIACONVERT_ROLE_ARN", &role),
        ("UPLOAD_LEASE_SECONDS", LEASE_SECONDS),
        ("MAX_UPLOAD_BYTES", MAX_UPLOAD_BYTES),
        ("ADMIN_USERNAME", "admin"),
        ("ADMIN_PASSWORD", "local"),
    ];
    let defaults = defaults.map(|(name, value)| (name.to_owned(), value.to_owned()));
    defaults.into_iter().chain(changed.iter().cloned()).collect()
}

fn credentials() -> Credentials {
    Credentials { access_key_id: ACCESS_KEY_ID.to_owned(), secret_access_key: SECRET_ACCESS_KEY.to_owned() }
}

fn transcoder_settings(ffmpeg: Ffmpeg) -> transcoder::Settings {
    transcoder::Settings {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        jobs_at_once: NonZeroUsize::MIN,
        ffmpeg,
    }
}

fn policy(data_dir: &Path, retry_delays: Vec<Duration>) -> Policy {
    let function_arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:video-events");
    Policy { timeout: TIMEOUT, retry_delays, ..Policy::new(function_arn, data_dir.join("dead-letter.jsonl")) }
}

async fn serve_api(
    listener: TcpListener,
    state: video_api::AppState,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, video_api::router(state)).with_graceful_shutdown(stopped).await
}

/// What EventBridge's schedule does on AWS.
async fn schedule_sweeps(database: Database, stopped: impl Future<Output = ()>) -> rusqlite::Result<()> {
    let mut stopped = std::pin::pin!(stopped);
    let sweep = serde_json::json!({ "source": "video-events", "detail-type": "Sweep" });
    loop {
        tokio::select! {
            () = &mut stopped => return Ok(()),
            () = tokio::time::sleep(SWEEP_EVERY) => database.transaction(|tx| events::enqueue(tx, &sweep))?,
        }
    }
}

/// The events function as Lambda invokes it: an error is a text, and means that the event comes again.
fn invoke(
    function: video_events::State,
) -> impl Fn(Value) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
    move |event| {
        let function = function.clone();
        Box::pin(async move { video_events::handle(&function, event).await.map_err(|error| error.to_string()) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_that_is_just_given_back_is_waited_for_and_one_that_is_kept_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).await.unwrap();
        let given_back = async move {
            tokio::time::sleep(LOCK_POLL * 5).await;
            drop(held);
        };
        let ((), waited) = tokio::join!(given_back, lock(dir.path()));
        let _held = waited.unwrap();
        assert!(matches!(lock(dir.path()).await, Err(StartError::InUse(_))));
    }
}
