//! The Lambda Runtime API, and the functions' programs as processes that poll it.
//!
//! See <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use crate::Variables;
use crate::program::program;

/// Longer than any invocation in a test.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The outcome of an invocation.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// The function returned a response.
    Response(Value),
    /// The function reported an error: its type and its message.
    Error(String, String),
}

/// A function that runs as a process, as on Lambda.
pub struct Function {
    process: Child,
    invocations: mpsc::Sender<(String, String)>,
    outcomes: Arc<Mutex<HashMap<String, oneshot::Sender<Outcome>>>>,
    count: u64,
}

#[derive(Clone)]
struct RuntimeApi {
    waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<(String, String)>>>,
    outcomes: Arc<Mutex<HashMap<String, oneshot::Sender<Outcome>>>>,
}

impl Function {
    /// Starts the program `name` with these variables and no others.
    pub async fn start(name: &str, variables: &Variables) -> Self {
        let binary = program(name).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (invocations, waiting) = mpsc::channel(16);
        let outcomes = Arc::default();
        let api = RuntimeApi { waiting: Arc::new(tokio::sync::Mutex::new(waiting)), outcomes: Arc::clone(&outcomes) };
        tokio::spawn(async move { axum::serve(listener, routes(api)).await });
        let process = command(&binary, variables).env("AWS_LAMBDA_RUNTIME_API", address).spawn().unwrap();
        Self { process, invocations, outcomes, count: 0 }
    }

    /// Invokes the function with an event and waits for the outcome.
    pub async fn invoke(&mut self, event: &Value) -> Outcome {
        self.invoke_text(event.to_string()).await
    }

    /// Invokes the function with a payload that may not be JSON.
    pub async fn invoke_text(&mut self, payload: String) -> Outcome {
        self.count += 1;
        let id = format!("00000000-0000-0000-0000-{:012}", self.count);
        let (sender, outcome) = oneshot::channel();
        self.outcomes.lock().unwrap().insert(id.clone(), sender);
        self.invocations.send((id, payload)).await.unwrap();
        tokio::time::timeout(TIMEOUT, outcome).await.expect("the invocation timed out").unwrap()
    }

    /// Returns whether the process is still running.
    pub fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Kills the process with SIGKILL, as Lambda does at the timeout.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// Starts a function that must fail to start and returns its output.
pub async fn failed_start(name: &str, variables: &Variables) -> String {
    let binary = program(name).await;
    let output = command(&binary, variables).output();
    let output = tokio::time::timeout(TIMEOUT, output).await.expect("the process did not exit").unwrap();
    assert!(!output.status.success(), "{name} started");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn command(binary: &std::path::Path, variables: &Variables) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("AWS_LAMBDA_FUNCTION_NAME", "test")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .envs(variables.iter())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn routes(api: RuntimeApi) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .with_state(api)
}

async fn next(State(api): State<RuntimeApi>) -> Response {
    let Some((id, payload)) = api.waiting.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + Duration::from_secs(30);
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis().to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:test".to_owned()),
        (
            "lambda-runtime-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (axum::response::AppendHeaders(headers), payload).into_response()
}

async fn response(State(api): State<RuntimeApi>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    api.finish(&id, Outcome::Response(serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

async fn error(State(api): State<RuntimeApi>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    assert!(headers.contains_key("lambda-runtime-function-error-type"), "{headers:?}");
    api.finish(&id, Outcome::Error(text("errorType"), text("errorMessage")))
}

impl RuntimeApi {
    fn finish(&self, id: &str, outcome: Outcome) -> StatusCode {
        match self.outcomes.lock().unwrap().remove(id) {
            Some(waiting) => {
                waiting.send(outcome).ok();
                StatusCode::ACCEPTED
            }
            None => StatusCode::BAD_REQUEST,
        }
    }
}
