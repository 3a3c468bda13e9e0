//! Malformed records, and records that fail, beside good ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use video_events::Error;
use video_tests::faults::{Call, FakeResponse, Fate, Network};

use super::{LONG_LEASE, SHORT_LEASE, Tally, Video, deliver_until_handled, idle_system, on_both};

fn malformed() -> Vec<Value> {
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
            "s3": {
                "bucket": { "name": "videos-media" },
                "object": { "key": format!("{long}.mp4"), "sequencer": "0A" },
            },
        }),
        json!({ "EventSource": "aws:sns", "Sns": { "Message": "not JSON" } }),
        json!({ "EventSource": "aws:sns", "Sns": { "Message": long } }),
    ]
}

#[tokio::test]
async fn malformed_events_are_acknowledged_without_a_call_to_aws() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let network = Network::to(&system, |_| Fate::Pass).await;
        let function = functions.behind(&network, LONG_LEASE);
        let mut events: Vec<Value> = malformed().into_iter().map(|record| json!({ "Records": [record] })).collect();
        events.extend(malformed());
        events.extend([
            json!({ "Records": malformed() }),
            json!({ "source": "aws.mediaconvert", "detail": malformed() }),
        ]);
        for event in &events {
            video_events::handle(&function, event.clone()).await.unwrap();
        }
        println!("malformed: {kind:?}: {} events acknowledged, {} calls to AWS", events.len(), network.calls());
        assert_eq!(network.calls(), 0);
    })
    .await;
}

#[tokio::test]
async fn good_records_beside_malformed_and_failing_ones_are_processed_and_the_rest_is_retried() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let mut uploads = Vec::new();
        for person in 0..12 {
            uploads.push(Video::of("mixed", person).requested(&system).await.upload("0A"));
        }
        let failing: Vec<String> = uploads.iter().step_by(3).map(|upload| upload.video.key.to_string()).collect();
        let unavailable = Arc::new(AtomicBool::new(true));
        let rule = {
            let unavailable = Arc::clone(&unavailable);
            move |call: &Call| {
                let body = call.body.to_string();
                let fails = unavailable.load(Ordering::SeqCst) && failing.iter().any(|key| body.contains(key));
                if call.operation == "CreateJob" && fails {
                    return Fate::Respond(FakeResponse::error(503, "ServiceUnavailable"));
                }
                Fate::Pass
            }
        };
        let network = Network::to(&system, rule).await;
        let function = functions.behind(&network, SHORT_LEASE);
        let mut records = malformed();
        for (place, upload) in uploads.iter().enumerate() {
            records.insert(place * 2, upload.event(&system)["Records"][0].clone());
        }
        let event = json!({ "Records": records });
        let partial = video_events::handle(&function, event.clone()).await.unwrap_err();
        assert!(matches!(partial, Error::Partial { failed: 4, all: 12, .. }), "{partial}");
        let jobs = super::jobs_by_token(&functions).await;
        assert_eq!(jobs.len(), 8, "the good ones are processed");

        unavailable.store(false, Ordering::SeqCst);
        let deliveries = deliver_until_handled(&function, &event).await;
        let tally = Tally::of(&system, &functions, &uploads, &[]).await;
        println!(
            "malformed: {kind:?}: 12 good records beside 11 malformed, 4 failed at first: {tally}, \
             {deliveries} redeliveries"
        );
        tally.assert_perfect("malformed");
    })
    .await;
}
