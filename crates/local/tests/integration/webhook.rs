//! The webhook of a running system.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use video_local::{Options, System};

use crate::eventbridge::{client, entry};
use crate::eventually::{TIMEOUT, eventually};

/// A listener that answers its first requests with 500, and every request once it was received.
struct Receiver {
    url: String,
    posts: mpsc::UnboundedReceiver<(HeaderMap, Value)>,
}

#[derive(Clone)]
struct Answers {
    failures_left: Arc<AtomicUsize>,
    posts: mpsc::UnboundedSender<(HeaderMap, Value)>,
}

impl Receiver {
    async fn start(failures: usize) -> Self {
        let (sender, posts) = mpsc::unbounded_channel();
        let answers = Answers { failures_left: Arc::new(AtomicUsize::new(failures)), posts: sender };
        let router = Router::new().route("/hook", post(receive)).with_state(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=1", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, posts }
    }

    async fn next(&mut self) -> (HeaderMap, Value) {
        let next = tokio::time::timeout(TIMEOUT, self.posts.recv());
        next.await.expect("no post in time").unwrap()
    }
}

async fn receive(State(answers): State<Answers>, headers: HeaderMap, Json(event): Json<Value>) -> StatusCode {
    answers.posts.send((headers, event)).unwrap();
    let count_down = |left: usize| left.checked_sub(1);
    let failed = answers.failures_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down);
    if failed.is_ok() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
}

async fn start(dir: &Path, webhook: Option<&str>) -> System {
    let mut options = Options::new(dir);
    options.webhook = webhook.map(|url| url.parse().unwrap());
    options.webhook_retry_delays = vec![Duration::from_millis(1); 2];
    options.deliver_events = false;
    System::start(options).await.unwrap()
}

async fn put(system: &System, detail_type: &str) -> String {
    let client = client(&system.description().eventbridge, "local");
    let output = client.put_events().entries(entry(detail_type).build()).send().await.unwrap();
    output.entries()[0].event_id().unwrap().to_owned()
}

#[tokio::test]
async fn a_webhook_that_fails_first_gets_the_event_again() {
    let dir = TempDir::new().unwrap();
    let mut receiver = Receiver::start(2).await;
    let system = start(dir.path(), Some(&receiver.url)).await;
    put(&system, "Video Retry Requested").await;
    let id = put(&system, "Video Ready").await;
    for _ in 0..3 {
        let (headers, event) = receiver.next().await;
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!((&event["id"], &event["source"]), (&id.as_str().into(), &"video".into()));
        assert_eq!((&event["detail-type"], &event["detail"]["project"]), (&"Video Ready".into(), &"Alba".into()));
    }
    let id = put(&system, "Video Failed").await;
    assert_eq!(receiver.next().await.1["id"], id);
    system.stop().await;
    assert!(receiver.posts.try_recv().is_err());
    assert!(!dir.path().join("webhook-dead-letter.jsonl").exists());
}

#[tokio::test]
async fn an_event_that_a_webhook_never_takes_becomes_a_dead_letter() {
    let dir = TempDir::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let system = start(dir.path(), Some(&url)).await;
    let id = put(&system, "Video Ready").await;
    let file = dir.path().join("webhook-dead-letter.jsonl");
    eventually(|| std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))).await;
    let letter: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((&letter["requestPayload"]["id"], &letter["requestContext"]["functionArn"]), (&id.into(), &url.into()));
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3);
    system.stop().await;
}

#[tokio::test]
async fn events_from_before_the_webhook_and_from_before_a_restart_are_posted_too() {
    let dir = TempDir::new().unwrap();
    let system = start(dir.path(), None).await;
    let id = put(&system, "Video Ready").await;
    system.stop().await;
    let mut receiver = Receiver::start(0).await;
    let system = start(dir.path(), Some(&receiver.url)).await;
    assert_eq!(receiver.next().await.1["id"], id);
    system.stop().await;
}
