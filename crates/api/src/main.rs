//! The API as a Lambda function.

use std::process::ExitCode;

use video_api::{AppState, router};
use video_core::aws::AwsConfig;
use video_core::config::ApiConfig;
use video_core::env::{ConfigError, environment, require_lambda};
use video_core::log;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start(&environment);
    let state = match state() {
        Ok(state) => state,
        Err(error) => return fail(&error),
    };
    state.connect().await;
    match lambda_http::run(router(state)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn state() -> Result<AppState, ConfigError> {
    require_lambda(&environment)?;
    AppState::new(ApiConfig::from_env(&environment)?, &AwsConfig::from_env(&environment)?)
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!("video-api failed to start: {error}");
    ExitCode::FAILURE
}
