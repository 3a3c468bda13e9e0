//! The events function as a Lambda function.

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use video_core::aws::Aws;
use video_core::config::{self, ConfigError, environment};
use video_events::{State, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda_runtime::tracing::init_default_subscriber();
    let state = match state() {
        Ok(state) => state,
        Err(error) => return fail(&error),
    };
    let state = &state;
    let handler = service_fn(|event: LambdaEvent<Value>| async move { handle(state, event.payload).await });
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn state() -> Result<State, ConfigError> {
    config::require_lambda(&environment)?;
    Ok(State::new(config::Events::read(&environment)?, &Aws::read(&environment)?))
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!("video-events stops: {error}");
    ExitCode::FAILURE
}
