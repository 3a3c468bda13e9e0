//! The API as a Lambda function.

use std::process::ExitCode;

use video_api::{State, router};
use video_core::aws::Aws;
use video_core::config::{self, ConfigError, environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda_http::tracing::init_default_subscriber();
    match state() {
        Ok(state) => match lambda_http::run(router(state)).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
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
