//! The API as a Lambda function.

use std::process::ExitCode;

use video_api::{State, router};
use video_core::aws::Aws;
use video_core::config::{self, ConfigError, environment};
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

fn state() -> Result<State, ConfigError> {
    config::require_lambda(&environment)?;
    State::new(config::Api::read(&environment)?, Aws::read(&environment)?)
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!("video-api stops: {error}");
    ExitCode::FAILURE
}
