//! `video-local`: the whole system on one machine.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use video_core::TranscoderKind;
use video_local::transcoder::Ffmpeg;
use video_local::{Description, Options, System};

/// The whole video intake on one machine: API, S3, DynamoDB, transcoders and the events function, on loopback only.
///
/// The functions' variables MAX_UPLOAD_BYTES, UPLOAD_EXPIRES_SECONDS, UPLOAD_LEASE_SECONDS, UPLOAD_ACL, ALLOWED_ORIGIN, ADMIN_USERNAME
/// and ADMIN_PASSWORD are taken from the environment when they are set; RUST_LOG chooses what is logged.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The API's port; S3, DynamoDB and the transcoders take the next three. 0 takes any free ones.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Where everything is kept; it can be started again with the same one.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
    /// Which transcoder gets the jobs.
    #[arg(long, default_value_t = TranscoderKind::ElasticTranscoder)]
    transcoder: TranscoderKind,
    /// Write the addresses and the logins to this file, as JSON, once everything answers.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

/// What a developer may change without an option of its own.
const FROM_ENVIRONMENT: [&str; 7] = [
    "MAX_UPLOAD_BYTES",
    "UPLOAD_EXPIRES_SECONDS",
    "UPLOAD_LEASE_SECONDS",
    "UPLOAD_ACL",
    "ALLOWED_ORIGIN",
    "ADMIN_USERNAME",
    "ADMIN_PASSWORD",
];

/// dynoxide warns of every condition that does not hold, and s3s calls every refused request an error: here both are part of the plan.
const LOGGED: &str = "warn,dynoxide=error,s3s=off,video_api=info,video_events=info,video_local=info";

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("video-local: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let ffmpeg = Ffmpeg::default();
    let notice = ffmpeg.find().err();
    let mut options = Options::new(&arguments.data_dir);
    options.port = arguments.port;
    options.transcoder = arguments.transcoder;
    options.ffmpeg = ffmpeg;
    options.variables =
        FROM_ENVIRONMENT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();

    let mut system = System::start(options).await.map_err(|error| error.to_string())?;
    if let Some(file) = &arguments.ready_file {
        write_ready_file(file, system.description())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    println!("{}", welcome(system.description(), &arguments.data_dir));
    if let Some(missing) = notice {
        eprintln!("video-local: {missing}; until then every video ends as failed");
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

/// Written beside its place and moved there, so that a reader never sees half of it.
fn write_ready_file(file: &Path, description: &Description) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, serde_json::to_vec_pretty(description)?)?;
    std::fs::rename(&beside, file)
}

fn welcome(system: &Description, data_dir: &Path) -> String {
    let Description { api, s3, dynamodb, transcoder, admin, .. } = system;
    format!(
        "Everything runs; Ctrl-C stops it, and nothing is lost.

  Record or choose a video   {api}/upload
  See every video            {api}/admin   as {} with the password {}

  API          {api}
  S3           {s3}   buckets {} and {}
  DynamoDB     {dynamodb}   table {}
  Transcoders  {transcoder}
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

/// Ctrl-C, or what a service manager sends.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
