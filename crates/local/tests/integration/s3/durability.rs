//! Restarts, crashes and concurrent writes.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, Once};
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

/// The store's traced steps on the disk, of every test of this program.
static STEPS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct StepsWriter;

impl Write for StepsWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *STEPS.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Records the steps from now on.
fn record_steps() {
    static START: Once = Once::new();
    START.call_once(|| {
        let steps = tracing_subscriber::fmt().with_env_filter("video_local::s3::disk=trace").with_ansi(false);
        steps.with_writer(|| StepsWriter).init();
    });
}

/// Returns the steps in this directory so far, and forgets none of the other tests'.
fn steps(dir: &Path) -> Vec<String> {
    let text = String::from_utf8(STEPS.lock().unwrap().clone()).unwrap();
    let own = text.lines().filter(|line| line.contains(dir.to_str().unwrap()));
    own.map(|line| {
        let (step, path) = line.split_once(" path=").unwrap();
        let (_, step) = step.split_once("disk: ").unwrap();
        let path = Path::new(path).strip_prefix(dir).unwrap().to_str().unwrap();
        format!("{step}: {path}")
    })
    .collect()
}

#[tokio::test]
async fn bytes_and_names_are_on_the_disk_before_the_commit_and_replaced_files_go_after_it() {
    record_steps();
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let level: i64 = server.database.read(|db| db.pragma_query_value(None, "synchronous", |row| row.get(0))).unwrap();
    assert_eq!(level, 2, "SQLite syncs every commit");
    let file_of = |key: &str| {
        let object = server.store.find(MEDIA, key).unwrap().unwrap();
        object.path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned()
    };
    let commit = ["directory synced: objects".to_owned(), "committed: objects".to_owned()];
    let steps_since = |before: usize| steps(dir.path()).split_off(before);
    assert_eq!(steps(dir.path())[0], "directory synced: ", "the store's own directory");

    let before = steps(dir.path()).len();
    server.put("x", b"old").await;
    let old = file_of("x");
    let [synced, committed] = commit.clone();
    assert_eq!(steps_since(before), [format!("file synced: {old}"), synced, committed]);

    let before = steps(dir.path()).len();
    server.put("x", b"new").await;
    let new = file_of("x");
    let [synced, committed] = commit.clone();
    let removed = format!("file removed: {old}");
    assert_eq!(steps_since(before), [format!("file synced: {new}"), synced, committed, removed]);

    // A copy shares the bytes that are on the disk already.
    let before = steps(dir.path()).len();
    let copy = server.client.copy_object().bucket(MEDIA).key("copy").copy_source("media/x");
    copy.send().await.unwrap();
    assert_eq!(steps_since(before), commit);

    let upload = create_upload(&server).await;
    let before = steps(dir.path()).len();
    let part = put_part(&server, &upload, 1, b"part").await;
    let part_steps = steps_since(before);
    assert!(part_steps[0].starts_with("file synced: objects/") && part_steps[1..] == commit, "{part_steps:?}");
    let before = steps(dir.path()).len();
    complete(&server, &upload, &[(1, &part)]).await.unwrap();
    let part_file = part_steps[0].replace("synced", "removed");
    let [synced, committed] = commit;
    let whole = format!("file synced: {}", file_of("big"));
    assert_eq!(steps_since(before), [whole, synced, committed, part_file]);

    let before = steps(dir.path()).len();
    server.client.delete_object().bucket(MEDIA).key("x").send().await.unwrap();
    assert_eq!(steps_since(before), ["committed: objects".to_owned(), format!("file removed: {new}")]);
}
