//! `video-local`: the whole system on one machine.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use video_core::TranscoderKind;
use video_local::transcoder::Ffmpeg;
use video_local::{Description, Options, Origin, System, Webhook};

/// The whole video intake on one machine: API, S3, DynamoDB, transcoders, EventBridge and the events function, on
/// loopback only.
///
/// Reads the functions' variables MAX_UPLOAD_BYTES, UPLOAD_EXPIRES_SECONDS, UPLOAD_LEASE_SECONDS, UPLOAD_ACL,
/// ALLOWED_ORIGIN, ADMIN_USERNAME and ADMIN_PASSWORD from the environment if they are set. RUST_LOG sets the log
/// filter.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The API's port; S3, DynamoDB and the transcoders use the next three. 0 chooses free ones.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// The directory for all data; start again with the same directory to continue.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
    /// The transcoder that gets the jobs.
    #[arg(long, default_value_t = TranscoderKind::ElasticTranscoder)]
    transcoder: TranscoderKind,
    /// Let web pages of this origin, such as https://example.com, use the services. Pages of this machine always may;
    /// can be repeated.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<Origin>,
    /// Post each event about a video (`Video Ready`, `Video Failed`) to this http:// URL, as EventBridge's JSON, at
    /// least once.
    #[arg(long, value_name = "URL")]
    webhook: Option<Webhook>,
    /// Write the URLs and logins to this file, as JSON, when all services accept connections.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

/// The functions' variables that are passed on from the environment.
const PASSED_ON_VARIABLES: [&str; 7] = [
    "MAX_UPLOAD_BYTES",
    "UPLOAD_EXPIRES_SECONDS",
    "UPLOAD_LEASE_SECONDS",
    "UPLOAD_ACL",
    "ALLOWED_ORIGIN",
    "ADMIN_USERNAME",
    "ADMIN_PASSWORD",
];

/// dynoxide logs every failed condition as a warning and s3s every rejected request as an error: both are expected.
const DEFAULT_LOG_FILTER: &str = "warn,dynoxide=error,s3s=off,video_api=info,video_events=info,video_local=info";

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG_FILTER));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("video-local: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let ffmpeg = Ffmpeg::default();
    let missing_ffmpeg = ffmpeg.check_installed().err();
    let mut options = Options::new(&arguments.data_dir);
    options.port = arguments.port;
    options.transcoder = arguments.transcoder;
    options.ffmpeg = ffmpeg;
    options.allowed_origins = arguments.allow_origin;
    options.webhook = arguments.webhook;
    options.variables =
        PASSED_ON_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();

    let mut system = System::start(options).await.map_err(|error| error.to_string())?;
    if let Some(file) = &arguments.ready_file {
        write_ready_file(file, system.description())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    println!("{}", start_message(system.description(), &arguments.data_dir));
    if let Some(missing) = missing_ffmpeg {
        eprintln!("video-local: {missing}; until then every video fails");
    }
    tokio::select! {
        reason = system.failure() => Err(reason),
        signal = stop_signal() => {
            signal.map_err(|error| format!("cannot wait for signals: {error}"))?;
            system.stop().await;
            Ok(())
        }
    }
}

/// Writes the ready file under another name and renames it, so that no reader sees half of it.
fn write_ready_file(file: &Path, description: &Description) -> std::io::Result<()> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".part");
    std::fs::write(&partial, serde_json::to_vec_pretty(description)?)?;
    std::fs::rename(&partial, file)
}

fn start_message(system: &Description, data_dir: &Path) -> String {
    let Description { api, s3, dynamodb, transcoder, admin, .. } = system;
    format!(
        "All services are running. Press Ctrl-C to stop; your data is kept.

  Record or choose a video   {api}/upload
  See all videos             {api}/admin   user {}, password {}

  API          {api}
  S3           {s3}   buckets {} and {}
  DynamoDB     {dynamodb}   table {}
  Transcoders  {transcoder}   and EventBridge
  AWS clients  AWS_DEFAULT_REGION={} AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}
  Data         {}
",
        admin.username,
        admin.password,
        system.media_bucket,
        system.output_bucket,
        system.table,
        system.region,
        system.access_key_id,
        system.secret_access_key,
        data_dir.display(),
    )
}

/// Waits for SIGINT (Ctrl-C) or SIGTERM.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
