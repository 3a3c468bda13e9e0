//! Hostile input: generated HTTP requests, API Gateway events and event payloads. None may panic or get a 5xx.
//!
//! `cargo test` runs the short forms, `make torture` the long ones. The seed is fixed; `FUZZ_SEED=<number>` chooses
//! another one.

mod gateway_events;
mod mutation;
mod payloads;
mod requests;
mod response;
mod text;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use video_core::records::Table;
use video_tests::Variables;

/// Returns the variables of a deployment with a table in memory and a transcoder that accepts any job, without other
/// AWS services.
async fn variables() -> Variables {
    let dynamodb = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let transcoder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let variables = Variables::without_aws()
        .with("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", dynamodb.local_addr().unwrap()))
        .with("AWS_ENDPOINT_URL_MEDIACONVERT", format!("http://{}", transcoder.local_addr().unwrap()))
        .with("AWS_ENDPOINT_URL_EVENTBRIDGE", format!("http://{}", transcoder.local_addr().unwrap()));
    tokio::spawn(dynoxide::server::serve_on(dynamodb, dynoxide::Database::memory().unwrap()));
    tokio::spawn(async move { axum::serve(transcoder, Router::new().fallback(accept_everything)).await });
    Table::new(&variables.aws().sdk_config(), "responses").create().await.unwrap();
    variables
}

/// Responds as MediaConvert, which accepts every job and knows none afterwards, and as EventBridge, which accepts every
/// event.
async fn accept_everything(
    method: Method,
    headers: HeaderMap,
) -> (StatusCode, [(&'static str, &'static str); 2], &'static str) {
    let kind = |error| [("content-type", "application/json"), ("x-amzn-errortype", error)];
    if headers.contains_key("x-amz-target") {
        return (StatusCode::OK, kind(""), r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#);
    }
    match method {
        Method::POST => (StatusCode::CREATED, kind(""), r#"{"job":{"id":"1515368087458-qnoxtd"}}"#),
        _ => (StatusCode::NOT_FOUND, kind("NotFoundException"), r#"{"message":"no such job"}"#),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs `test` on `cases` generated values and shrinks the first one that fails.
fn check<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seed: u64 = std::env::var("FUZZ_SEED").map_or(4, |text| text.parse().expect("FUZZ_SEED is a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    if let Err(failure) = runner.run(strategy, test) {
        panic!("seed {seed}: {failure}");
    }
}
