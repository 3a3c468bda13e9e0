//! The events function as a Lambda function.

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use video_core::aws::AwsConfig;
use video_core::config::EventsConfig;
use video_core::env::{ConfigError, environment, require_lambda};
use video_core::{log, metrics};
use video_events::{State, handle_until};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start(&environment);
    metrics::start(&environment);
    let state = match state() {
        Ok(state) => state,
        Err(error) => return fail(&error),
    };
    state.connect().await;
    let state = &state;
    let handler = service_fn(|event: LambdaEvent<Value>| async move {
        handle_until(event.context.deadline(), state, event.payload).await
    });
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn state() -> Result<State, ConfigError> {
    require_lambda(&environment)?;
    Ok(State::new(EventsConfig::from_env(&environment)?, &AwsConfig::from_env(&environment)?))
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!("video-events failed to start: {error}");
    ExitCode::FAILURE
}
