//! Records that nobody can understand, and records that fail, beside good ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use video_events::Error;
use video_tests::faults::{Answer, Call, Fate, Network};

use super::{LONG_LEASE, SHORT_LEASE, Tally, Video, delivered, on_both, system_that_counts};

fn poison() -> Vec<Value> {
    let long = "x".repeat(1 << 20);
    vec![
        json!(null),
        json!(7),
        json!([]),
        json!({}),
        json!({ "eventSource": "aws:s3" }),
        json!({ "eventSource": long }),
        json!({ "eventSource": "aws:s3", "eventName": 1, "eventTime": [], "s3": {} }),
        json!({
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-24T03:00:00Z",
            "s3": { "bucket": { "name": "videos-media" }, "object": { "key": "%ff%fe.mp4", "sequencer": "0A" } },
        }),
        json!({
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-24T03:00:00Z",
            "s3": { "bucket": { "name": "videos-media" }, "object": { "key": format!("{long}.mp4"), "sequencer": "0A" } },
        }),
        json!({ "EventSource": "aws:sns", "Sns": { "Message": "not JSON" } }),
        json!({ "EventSource": "aws:sns", "Sns": { "Message": long } }),
    ]
}

#[tokio::test]
async fn poison_is_acknowledged_without_a_call_to_aws() {
    on_both(async |kind| {
        let (system, functions) = system_that_counts(kind).await;
        let network = Network::to(&system, |_| Fate::Pass).await;
        let function = network.function(&functions, LONG_LEASE);
        let mut events: Vec<Value> = poison().into_iter().map(|record| json!({ "Records": [record] })).collect();
        events.extend(poison());
        events.extend([json!({ "Records": poison() }), json!({ "source": "aws.mediaconvert", "detail": poison() })]);
        for event in &events {
            video_events::handle(&function, event.clone()).await.unwrap();
        }
        println!("poison: {kind:?}: {} events acknowledged, {} calls to AWS", events.len(), network.calls());
        assert_eq!(network.calls(), 0);
    })
    .await;
}

#[tokio::test]
async fn good_records_beside_poison_and_failures_are_done_and_the_rest_comes_again() {
    on_both(async |kind| {
        let (system, functions) = system_that_counts(kind).await;
        let mut uploads = Vec::new();
        for person in 0..12 {
            uploads.push(Video::of("mixed", person).requested(&system).await.upload("0A"));
        }
        let failing: Vec<String> = uploads.iter().step_by(3).map(|upload| upload.video.key.to_string()).collect();
        let down = Arc::new(AtomicBool::new(true));
        let rule = {
            let down = Arc::clone(&down);
            move |call: &Call| {
                let body = call.body.to_string();
                let hit = down.load(Ordering::SeqCst) && failing.iter().any(|key| body.contains(key));
                if call.operation == "CreateJob" && hit {
                    return Fate::Answer(Answer::error(503, "ServiceUnavailable"));
                }
                Fate::Pass
            }
        };
        let network = Network::to(&system, rule).await;
        let function = network.function(&functions, SHORT_LEASE);
        let mut records = poison();
        for (place, upload) in uploads.iter().enumerate() {
            records.insert(place * 2, upload.event(&system)["Records"][0].clone());
        }
        let event = json!({ "Records": records });
        let partial = video_events::handle(&function, event.clone()).await.unwrap_err();
        assert!(matches!(partial, Error::Partial { failed: 4, all: 12, .. }), "{partial}");
        let done = super::jobs_by_token(&functions).await;
        assert_eq!(done.len(), 8, "the good ones are done");

        down.store(false, Ordering::SeqCst);
        let deliveries = delivered(&function, &event).await;
        let tally = Tally::of(&system, &functions, &uploads, &[]).await;
        println!(
            "poison: {kind:?}: 12 good records beside 11 bad, 4 failed at first: {tally}, {deliveries} redeliveries"
        );
        tally.assert_perfect("poison");
    })
    .await;
}
