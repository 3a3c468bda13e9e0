//! Notifications of new objects.

use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;
use tempfile::TempDir;

use super::Server;
use crate::store::{MEDIA, OUTPUT, REGION};

#[tokio::test]
async fn every_new_object_of_the_media_bucket_sends_the_event_of_s3() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("Alba/0/a b+c%ü.webm", b"hello").await;
    let elsewhere = server.client.put_object().bucket(OUTPUT).key("silent");
    let elsewhere = elsewhere.body(ByteStream::from_static(b"x"));
    elsewhere.send().await.unwrap();
    let copy = server.client.copy_object().bucket(MEDIA).key("copy.webm");
    copy.copy_source("output/silent").send().await.unwrap();

    assert_eq!(server.queued(), 2);
    let events = server.events(2).await;
    let record = &events[0]["Records"][0];
    let time = record["eventTime"].as_str().unwrap();
    assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"));
    let sequencer = record["s3"]["object"]["sequencer"].as_str().unwrap();
    assert_eq!(sequencer.len(), 18);
    assert!(sequencer.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')));
    let request = record["responseElements"]["x-amz-request-id"].as_str();
    assert_eq!(request.unwrap().len(), 16);
    let expected = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": time,
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:LOCAL"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": record["responseElements"],
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "video-local",
            "bucket": {
                "name": MEDIA,
                "ownerIdentity": {"principalId": "LOCAL"},
                "arn": "arn:aws:s3:::media",
            },
            "object": {
                "key": "Alba/0/a+b%2Bc%25%C3%BC.webm",
                "size": 5,
                "eTag": "5d41402abc4b2a76b9719d911017c592",
                "sequencer": sequencer,
            },
        },
    });
    assert_eq!(*record, expected);
    let copy = &events[1]["Records"][0];
    assert_eq!(copy["eventName"], "ObjectCreated:Copy");
    assert!(copy["s3"]["object"]["sequencer"].as_str().unwrap() > sequencer);
    assert_eq!(server.queued(), 0);
}
