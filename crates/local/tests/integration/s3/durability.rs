//! Restarts, crashes and concurrent writes.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use video_local::s3::{Attributes, EventName, SCHEMA, StoreError};
use video_local::sqlite::Database;

use super::Server;
use super::multipart::{complete, create_upload, put_part};
use crate::eventually::eventually;
use crate::store::{MEDIA, object_files};

#[tokio::test]
async fn a_restart_keeps_objects_uploads_and_undelivered_events() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"first").await;
    let before = server.store.find(MEDIA, "x").unwrap().unwrap();
    let upload = create_upload(&server).await;
    let part = put_part(&server, &upload, 1, b"part").await;
    server.stop().await;

    let server = Server::start(dir.path()).await;
    assert_eq!(server.get("x").await, b"first");
    let kept = server.store.find(MEDIA, "x").unwrap().unwrap();
    assert_eq!(kept.sequencer, before.sequencer);
    complete(&server, &upload, &[(1, &part)]).await.unwrap();
    server.put("x", b"second").await;
    let after = server.store.find(MEDIA, "x").unwrap().unwrap();
    assert!(after.sequencer > before.sequencer);
    let events = server.events(3).await;
    let names: Vec<_> = events.iter().map(|event| event["Records"][0]["eventName"].as_str().unwrap()).collect();
    let expected = ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Put"];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn what_a_crash_leaves_behind_is_removed_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"kept").await;
    let upload = create_upload(&server).await;
    put_part(&server, &upload, 1, b"kept too").await;
    let staged = server.store.stage().unwrap();
    std::fs::write(staged.path(), b"half an upload").unwrap();
    std::mem::forget(staged);
    assert_eq!(object_files(dir.path()), 3);
    server.stop().await;

    let server = Server::start(dir.path()).await;
    assert_eq!(object_files(dir.path()), 2);
    assert_eq!(server.get("x").await, b"kept");
}

#[tokio::test]
async fn an_upload_whose_client_disconnects_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.address;
    let expires = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let link = server.client.put_object().bucket(MEDIA).key("x");
    let link = link.presigned(expires).await.unwrap();
    let path = link.uri().strip_prefix(&format!("http://{address}"));
    let head = format!("PUT {} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000\r\n\r\n", path.unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[0; 500]).await.unwrap();
    eventually(|| object_files(dir.path()) == 1).await;
    drop(stream);
    eventually(|| object_files(dir.path()) == 0).await;
    assert!(server.store.find(MEDIA, "x").unwrap().is_none());
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn a_reader_still_gets_the_old_bytes_while_the_object_is_replaced() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let old = vec![b'o'; 20_000_000];
    server.put("x", &old).await;
    let reading = server.client.get_object().bucket(MEDIA).key("x");
    let reading = reading.send().await.unwrap();
    server.put("x", b"new").await;
    assert!(reading.body.collect().await.unwrap().to_vec() == old);
    assert_eq!(server.get("x").await, b"new");
    assert_eq!(object_files(dir.path()), 1);
}

#[tokio::test]
async fn a_transaction_that_fails_rolls_back_objects_files_and_events() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"old").await;
    let staged = server.store.stage().unwrap();
    std::fs::write(staged.path(), b"new").unwrap();
    let sealed = staged.seal().await.unwrap();
    let failed: Result<(), StoreError> = server.store.transaction(|tx| {
        tx.put(MEDIA, "x", sealed, &Attributes::default(), EventName::Put)?;
        Err(StoreError::PreconditionFailed)
    });
    assert!(failed.is_err());
    assert_eq!(server.get("x").await, b"old");
    assert_eq!(object_files(dir.path()), 1);
    assert_eq!(server.queued(), 1);
}

#[tokio::test]
async fn concurrent_uploads_of_one_key_leave_one_of_them_complete() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let bodies: Vec<Vec<u8>> = (0..8).map(|n| vec![n; 300_000]).collect();
    let puts = bodies.iter().map(|body| server.put("x", body));
    futures_util::future::join_all(puts).await;
    assert!(bodies.contains(&server.get("x").await));
    assert_eq!(object_files(dir.path()), 1);
    let events = server.events(8).await;
    let sequencers: HashSet<&str> =
        events.iter().filter_map(|event| event["Records"][0]["s3"]["object"]["sequencer"].as_str()).collect();
    assert_eq!(sequencers.len(), 8);
    let stored = server.store.find(MEDIA, "x").unwrap().unwrap();
    assert_eq!(sequencers.iter().max(), Some(&stored.sequencer.as_str()));
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_rejected() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("local.sqlite");
    std::fs::write(&file, "this is no database, however long it may be").unwrap();
    assert!(Database::open(&file, &[SCHEMA]).is_err());
}
