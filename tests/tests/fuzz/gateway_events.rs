//! Mutated events of API Gateway and of a function URL.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use video_tests::lambda::{Function, Outcome};
use video_tests::{TestSystem, gateway};

use super::mutation::{mutate, mutations};
use super::response::{check_response, send};
use super::text::{encoded, path, query};
use super::{check, runtime, variables};

const SHORT: u32 = 2_000;
const LONG: u32 = 100_000;

#[test]
fn two_thousand_mutated_gateway_events_get_valid_responses() {
    mutated_gateway_events(SHORT);
}

#[test]
#[ignore = "long form: make torture"]
fn a_hundred_thousand_mutated_gateway_events_get_valid_responses() {
    mutated_gateway_events(LONG);
}

/// `lambda_http` unwraps the URL that it builds. API Gateway sends no such event; if it did, only this invocation would
/// fail.
#[tokio::test]
async fn an_event_with_an_invalid_host_fails_without_ending_the_process() {
    let system = TestSystem::start().await;
    let mut api = Function::start("video-api", &system.variables()).await;
    let good = gateway::http_api();
    let mut bad = good.clone();
    bad["headers"]["host"] = json!("no host");
    for _ in 0..2 {
        let Outcome::Error(_, message) = api.invoke(&bad).await else { panic!("the host was accepted") };
        assert!(message.starts_with("Lambda panicked: ") && !message.contains("orkei"), "{message}");
        assert!(api.is_alive());
        assert!(matches!(api.invoke(&good).await, Outcome::Response(response) if response["statusCode"] == 200));
    }
}

/// An HTTP API decodes the path before the function sees it: `%2F`, `%3F` and `%23` arrive as `/`, `?` and `#`, which
/// part a URL. Nothing that is valid comes of it: a project has none of these.
#[test]
fn a_slash_a_question_mark_and_a_hash_that_an_http_api_has_decoded_are_refused() {
    let runtime = runtime();
    let api = runtime.block_on(variables()).api();
    for path in [
        "/presignedurl/p/q/0",
        "/presignedurl/p/0/q",
        "/presignedurl/p?/0",
        "/presignedurl/p?mail=other%40example.com/0",
        "/presignedurl/p/0?mail=other%40example.com",
        "/presignedurl/p#/0",
        "/presignedurl/p/0#",
    ] {
        let event = gateway::at_path(gateway::http_api(), path, "mail=a%40example.com");
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        let status = runtime.block_on(send(&api, request)).status;
        assert!(status == 400 || status == 404, "{path}: {status}");
    }
}

fn gateway_event(number: usize) -> Value {
    match number {
        0 => gateway::http_api(),
        1 => gateway::rest_api(),
        _ => gateway::function_url(),
    }
}

thread_local! {
    /// The file in which this thread last panicked.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn mutated_gateway_events(cases: u32) {
    // The panics that are caught below are not printed; all others are.
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map(|place| place.file().to_owned()).unwrap_or_default();
        let in_conversion = ["lambda_http", "query_map"].iter().any(|name| file.contains(name));
        if in_conversion { PANIC.set(Some(file)) } else { default(panic) }
    }));
    let runtime = runtime();
    let api = runtime.block_on(variables()).api();
    let (received, rejected, panicked) = (Cell::new(0), Cell::new(0), Cell::new(0));
    check(cases, &(0usize..3, path(), prop::option::of(query()), mutations()), |(number, path, query, mutations)| {
        let event = mutate(at(gateway_event(number), &path, query.as_deref()), &mutations);
        PANIC.set(None);
        let converted = catch_unwind(AssertUnwindSafe(|| lambda_http::request::from_str(&event.to_string())));
        let request = match converted {
            Ok(Ok(request)) => request,
            Ok(Err(rejection)) => {
                rejected.set(rejected.get() + 1);
                prop_assert!(rejection.to_string().starts_with("this function expects a JSON payload"), "{rejection}");
                return Ok(());
            }
            Err(panic) => {
                panicked.set(panicked.get() + 1);
                return check_panic(&event, &panic);
            }
        };
        received.set(received.get() + 1);
        let method = request.method().clone();
        check_response(&method, &runtime.block_on(send(&api, request)))
    });
    println!("{} responses, {} invalid events, {} invalid URLs", received.get(), rejected.get(), panicked.get());
    assert!(received.get() > cases / 4, "too few events are valid");
}

/// Points an event at another path and query.
fn at(event: Value, path: &str, query: Option<&str>) -> Value {
    let query = query.unwrap_or_default();
    // Version 2.0 has the query as the client encoded it, version 1.0 decoded.
    let query = if gateway::is_version_2(&event) { encoded(query) } else { query.to_owned() };
    gateway::at_path(event, path, &query)
}

/// Checks that only `lambda_http` panicked, over an invalid URL or a parameter without a value, and without quoting the
/// event.
fn check_panic(event: &Value, panic: &Box<dyn std::any::Any + Send>) -> Result<(), TestCaseError> {
    prop_assert!(PANIC.take().is_some(), "a panic outside the conversion");
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let message = message.unwrap_or_default();
    let known = ["called `Result::unwrap()` on an `Err` value: ", "failed to build request: ", "index out of bounds: "];
    prop_assert!(known.iter().any(|start| message.starts_with(start)) && message.len() < 120, "{message}: {event}");
    Ok(())
}
