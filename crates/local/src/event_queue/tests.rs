//! Delivery: order, retries, dead letters, restarts and the limit of concurrency.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{DeliveryConfig, Queue, SCHEMA, deliver, enqueue, enqueue_in};
use crate::sqlite::Database;

/// A running delivery whose handler fails for `{"fail": n}` the first n times, hangs for `hang`, panics for `panic`.
struct Running {
    database: Database,
    seen: mpsc::UnboundedReceiver<Value>,
    stop: oneshot::Sender<()>,
    delivering: JoinHandle<rusqlite::Result<()>>,
}

impl Running {
    fn start(dir: &Path, config: DeliveryConfig) -> Self {
        let database = Database::open(&dir.join("local.sqlite"), &[SCHEMA]).unwrap();
        let (sender, seen) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let failures = Arc::new(AtomicUsize::new(0));
        let handler = move |event: Value| {
            let sender = sender.clone();
            let failures = failures.clone();
            async move {
                sender.send(event.clone()).unwrap();
                if event["hang"] == true {
                    std::future::pending::<()>().await;
                }
                assert!(event["panic"] != true, "asked to panic");
                let failed = failures.load(Ordering::SeqCst) as u64;
                if event["fail"].as_u64().is_some_and(|times| failed < times) {
                    failures.fetch_add(1, Ordering::SeqCst);
                    return Err("not yet".to_owned());
                }
                Ok(())
            }
        };
        let delivering = tokio::spawn(deliver(database.clone(), handler, config, async {
            let _ = stopped.await;
        }));
        Self { database, seen, stop, delivering }
    }

    fn enqueue(&self, payload: &Value) {
        self.database.transaction(|tx| enqueue(tx, payload)).unwrap();
    }

    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(10), self.seen.recv());
        next.await.unwrap().unwrap()
    }

    /// Waits until the queue is empty.
    async fn drained(&self) {
        let mut commits = self.database.commits();
        while self.queued() > 0 {
            let commit = tokio::time::timeout(Duration::from_secs(10), commits.changed());
            commit.await.unwrap().unwrap();
        }
    }

    fn queued(&self) -> u64 {
        let count = self.database.read(|queue| queue.query_row("SELECT count(*) FROM events", [], |row| row.get(0)));
        count.unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.delivering.await.unwrap().unwrap();
    }
}

fn config(dir: &Path) -> DeliveryConfig {
    DeliveryConfig {
        queue: Queue::Function,
        concurrency: 2,
        timeout: Duration::from_millis(50),
        retry_delays: vec![Duration::from_millis(1), Duration::from_millis(2)],
        shutdown_grace: Duration::from_millis(50),
        function_arn: "arn:aws:lambda:local:0:function:events".to_owned(),
        dead_letter_file: dir.join("dead-letter.jsonl"),
    }
}

fn dead_letters(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("dead-letter.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Delivers what is left in the queue, and returns how often the dead letter was delivered altogether.
async fn invocations_after_a_restart(dir: &Path) -> Value {
    let running = Running::start(dir, config(dir));
    running.drained().await;
    running.stop().await;
    dead_letters(dir)[0]["requestContext"]["approximateInvokeCount"].take()
}

#[tokio::test]
async fn events_are_delivered_in_order_and_removed() {
    let dir = TempDir::new().unwrap();
    let one_at_a_time = DeliveryConfig { concurrency: 1, ..config(dir.path()) };
    let mut running = Running::start(dir.path(), one_at_a_time);
    for number in 0..20 {
        running.enqueue(&json!({"number": number}));
    }
    for number in 0..20 {
        assert_eq!(running.next().await["number"], number);
    }
    running.drained().await;
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_fails_twice_succeeds_at_the_third_attempt() {
    let dir = TempDir::new().unwrap();
    let mut running = Running::start(dir.path(), config(dir.path()));
    running.enqueue(&json!({"fail": 2}));
    for _ in 0..3 {
        running.next().await;
    }
    running.drained().await;
    assert!(dead_letters(dir.path()).is_empty());
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_always_fails_becomes_a_dead_letter() {
    let dir = TempDir::new().unwrap();
    let running = Running::start(dir.path(), config(dir.path()));
    running.enqueue(&json!({"fail": 100}));
    running.drained().await;
    running.stop().await;
    let mut letters = dead_letters(dir.path());
    assert_eq!(letters.len(), 1);
    let letter = letters[0].take();
    assert_eq!(letter["requestContext"]["requestId"].as_str().unwrap().len(), 36);
    assert_eq!(letter["timestamp"].as_str().unwrap().len(), 24);
    let expected = json!({
        "version": "1.0",
        "timestamp": letter["timestamp"],
        "requestContext": {
            "requestId": letter["requestContext"]["requestId"],
            "functionArn": "arn:aws:lambda:local:0:function:events",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"fail": 100},
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": "not yet"},
    });
    assert_eq!(letter, expected);
}

#[tokio::test]
async fn a_handler_that_hangs_or_panics_has_failed_and_blocks_no_other() {
    let dir = TempDir::new().unwrap();
    let running = Running::start(dir.path(), config(dir.path()));
    running.enqueue(&json!({"hang": true}));
    running.enqueue(&json!({"panic": true}));
    running.enqueue(&json!({}));
    running.drained().await;
    running.stop().await;
    let messages: Vec<String> =
        dead_letters(dir.path()).iter().map(|letter| letter["responsePayload"]["errorMessage"].to_string()).collect();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().any(|text| text.contains("Task timed out after 0.05 seconds")));
    assert!(messages.iter().any(|text| text.contains("crashed") && text.contains("asked to panic")));
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_keeps_its_event() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("dead-letter.jsonl")).unwrap();
    let mut running = Running::start(dir.path(), config(dir.path()));
    running.enqueue(&json!({"fail": 100}));
    for _ in 0..5 {
        running.next().await;
    }
    assert_eq!(running.queued(), 1);
    std::fs::remove_dir(dir.path().join("dead-letter.jsonl")).unwrap();
    running.drained().await;
    assert_eq!(dead_letters(dir.path()).len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn attempts_are_still_counted_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let slow_retry =
        DeliveryConfig { retry_delays: vec![Duration::from_millis(1), Duration::from_hours(1)], ..config(dir.path()) };
    let mut running = Running::start(dir.path(), slow_retry);
    running.enqueue(&json!({"fail": 100}));
    running.next().await;
    running.next().await;
    let mut commits = running.database.commits();
    let attempts = |database: &Database| -> rusqlite::Result<u32> {
        database.read(|queue| queue.query_row("SELECT attempts FROM events", [], |row| row.get(0)))
    };
    while attempts(&running.database).unwrap() < 2 {
        commits.changed().await.unwrap();
    }
    running.database.transaction(|tx| tx.execute("UPDATE events SET not_before = 0", [])).unwrap();
    // Stopped before the loop sees it: the runtime has one thread, and nothing was awaited since.
    running.stop().await;

    assert_eq!(invocations_after_a_restart(dir.path()).await, 3);
}

#[tokio::test]
async fn no_more_invocations_run_at_once_than_the_configuration_allows() {
    let dir = TempDir::new().unwrap();
    let database = Database::open(&dir.path().join("local.sqlite"), &[SCHEMA]).unwrap();
    let gate = Arc::new(Notify::new());
    let (sender, mut started) = mpsc::unbounded_channel();
    let handler = {
        let gate = gate.clone();
        move |event: Value| {
            sender.send(event).unwrap();
            let gate = gate.clone();
            async move {
                gate.notified().await;
                Ok(())
            }
        }
    };
    let long_timeout = DeliveryConfig { timeout: Duration::from_mins(1), ..config(dir.path()) };
    let (stop, stopped) = oneshot::channel::<()>();
    let delivering = tokio::spawn(deliver(database.clone(), handler, long_timeout, async {
        let _ = stopped.await;
    }));
    for number in 0..5 {
        let payload = json!({"number": number});
        database.transaction(|tx| enqueue(tx, &payload)).unwrap();
    }
    started.recv().await.unwrap();
    started.recv().await.unwrap();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(started.try_recv().is_err());
    for _ in 0..3 {
        gate.notify_one();
        started.recv().await.unwrap();
    }
    stop.send(()).unwrap();
    gate.notify_waiters();
    delivering.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_keeps_the_events_of_invocations_that_do_not_finish_in_time() {
    let dir = TempDir::new().unwrap();
    let long_timeout = DeliveryConfig { timeout: Duration::from_hours(1), ..config(dir.path()) };
    let mut running = Running::start(dir.path(), long_timeout);
    running.enqueue(&json!({"hang": true}));
    running.next().await;
    running.stop().await;

    assert_eq!(invocations_after_a_restart(dir.path()).await, 3);
}

#[tokio::test]
async fn the_two_queues_do_not_mix_and_what_no_webhook_took_within_a_day_is_dropped() {
    let dir = TempDir::new().unwrap();
    let mut running = Running::start(dir.path(), config(dir.path()));
    let for_the_webhook = |number: u64| {
        let payload = json!({"number": number});
        running.database.transaction(|tx| enqueue_in(tx, Queue::Webhook, &payload)).unwrap();
    };
    let count_kept = || {
        let count =
            running.database.read(|db| db.query_row("SELECT count(*) FROM webhook_events", [], |row| row.get(0)));
        let count: u64 = count.unwrap();
        count
    };
    let age = |seconds: u64| {
        let update = "UPDATE webhook_events SET enqueued_at = enqueued_at - ?1";
        running.database.transaction(|tx| tx.execute(update, [seconds])).unwrap();
    };
    for_the_webhook(1);
    age(24 * 60 * 60 - 60);
    for_the_webhook(2);
    assert_eq!(count_kept(), 2);
    age(120);
    for_the_webhook(3);
    assert_eq!(count_kept(), 2);
    running.enqueue(&json!({"number": 4}));
    assert_eq!(running.next().await["number"], 4);
    running.drained().await;
    running.stop().await;

    let webhook = DeliveryConfig { queue: Queue::Webhook, ..config(dir.path()) };
    let mut running = Running::start(dir.path(), webhook);
    assert_eq!(running.next().await["number"], 2);
    assert_eq!(running.next().await["number"], 3);
    running.stop().await;
}
