//! Mutated events of S3, SNS and EventBridge.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use video_tests::events;

use super::mutation::{mutate, mutations, value};
use super::{check, runtime, variables};

const SHORT: u32 = 2_000;
const LONG: u32 = 100_000;

#[test]
fn two_thousand_mutated_payloads_are_handled_or_dropped() {
    mutated_payloads(SHORT);
}

#[test]
#[ignore = "long form: make torture"]
fn a_hundred_thousand_mutated_payloads_are_handled_or_dropped() {
    mutated_payloads(LONG);
}

fn payload(number: usize) -> Value {
    match number {
        0 => events::s3_object_created(),
        1 => events::elastic_transcoder_completed(),
        2 => events::mediaconvert_complete(),
        3 => events::s3_test_event(),
        _ => events::sweep(),
    }
}

fn mutated_payloads(cases: u32) {
    let runtime = runtime();
    let state = runtime.block_on(variables()).events();
    // Sweeps are rare, since each is the same and makes sixteen calls.
    let number = prop_oneof![30 => 0usize..4, 1 => Just(4)];
    let known = (number, any::<bool>(), mutations(), mutations()).prop_map(|(number, enveloped, inner, outer)| {
        let mut payload = payload(number);
        let message = payload["Records"][0]["Sns"]["Message"].as_str().map(str::to_owned);
        if let Some(message) = message {
            let message = mutate(serde_json::from_str(&message).unwrap(), &inner);
            payload["Records"][0]["Sns"]["Message"] = json!(message.to_string());
        }
        let payload = mutate(payload, &outer);
        if enveloped { json!({ "version": "1.0", "requestPayload": payload }) } else { payload }
    });
    let arbitrary = value();
    // No fault is injected, so an event that failed would fail at each retry.
    check(cases, &prop_oneof![9 => known, 1 => arbitrary], |payload| {
        let outcome = runtime.block_on(video_events::handle(&state, payload));
        outcome.map(|_| ()).map_err(|error| TestCaseError::fail(error.to_string()))
    });
}
