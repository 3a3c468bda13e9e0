//! The backfill of a table of the original, beside live traffic.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_tests::TestSystem;

const OLD_RECORDS: usize = 2500;

/// Writes records as the original did: three attributes.
async fn fill_as_the_original(system: &TestSystem) {
    let all: Vec<usize> = (0..OLD_RECORDS).collect();
    for chunk in all.chunks(25) {
        let puts = chunk.iter().map(|i| {
            let item = [
                ("ProjectStep", format!("Alba-{}", i % 3)),
                ("Mail", format!("person{i}@example.com")),
                ("video", format!("Alba/{}/{i:020x}.webm", i % 3)),
            ];
            let item: HashMap<_, _> =
                item.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect();
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        });
        let write = system.dynamodb().batch_write_item().request_items(system.at.table, puts.collect());
        write.send().await.unwrap();
    }
}

/// Runs the documented command until it is done; returns how many records it completed.
async fn backfill(system: &TestSystem) -> u64 {
    let (mut completed, mut segment) = (0, json!(0));
    while !segment.is_null() {
        let command = json!({
            "source": "video-events", "detail-type": "Backfill", "detail": { "segment": segment },
        });
        let answer = system.invoke(command).await.unwrap();
        completed += answer["completed"].as_u64().unwrap();
        assert!(!answer.to_string().contains('@'), "no mail in the answer");
        segment = answer["next"].clone();
    }
    completed
}

async fn listed(system: &TestSystem) -> Vec<Value> {
    let (mut videos, mut next) = (Vec::new(), Some("/videos?limit=500".to_owned()));
    while let Some(path) = next {
        let response = system.get_as_admin(&path).await;
        next = response.headers().get("link").map(|link| {
            let link = link.to_str().unwrap();
            link.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned()
        });
        videos.extend(response.json::<Vec<Value>>().await.unwrap());
    }
    videos
}

#[tokio::test]
async fn every_record_of_the_original_is_listed_afterwards_beside_those_that_come_meanwhile() {
    let system = TestSystem::start_without_events(TranscoderKind::MediaConvert).await;
    fill_as_the_original(&system).await;
    assert!(listed(&system).await.is_empty());
    let forms = async {
        for i in 0..100 {
            // Some ask for a form for the first time, some have a record of the original.
            system.form(&format!("/presignedurl/Alba/0?mail=person{}@example.com", i * 50)).await;
        }
    };
    let (completed, ()) = tokio::join!(backfill(&system), forms);
    assert!(completed > 2_400 && completed <= OLD_RECORDS as u64, "{completed}");
    assert_eq!(backfill(&system).await, 0, "it is repeatable");

    let videos = listed(&system).await;
    let names: BTreeSet<_> = videos.iter().map(|video| format!("{}{}", video["ProjectStep"], video["Mail"])).collect();
    assert_eq!(names.len(), videos.len(), "a record is listed twice");
    for i in 0..OLD_RECORDS {
        assert!(names.contains(&format!("\"Alba-{}\"\"person{i}@example.com\"", i % 3)), "{i}");
    }
    assert!(videos.iter().all(|video| video["status"] == "requested"));
}

#[tokio::test]
async fn the_local_system_completes_old_records_at_its_start() {
    let system = TestSystem::start_without_events(TranscoderKind::MediaConvert).await;
    fill_as_the_original(&system).await;
    let system = TestSystem::start_in(system.stop().await, |_| ()).await;
    assert_eq!(listed(&system).await.len(), OLD_RECORDS);
}
