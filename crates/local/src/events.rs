//! The queue that stands for S3 notifications, SNS and EventBridge, and Lambda's asynchronous invocation.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Row, Transaction};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::io::AsyncWriteExt as _;
use tokio::task::{self, JoinError, JoinSet};

use crate::database::Database;

/// The table of events that no invocation has yet handled; times are Unix milliseconds.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request_id TEXT NOT NULL,
        payload TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS events_by_time ON events (not_before, id);
";

/// RFC 3339 with milliseconds, as AWS writes times.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// How the function is invoked; see <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html>.
#[derive(Clone, Debug)]
pub struct Policy {
    /// At most so many invocations at once.
    pub concurrency: usize,
    /// An invocation is dropped after this time, as Lambda kills a function.
    pub timeout: Duration,
    /// How long to wait before each retry; there are as many retries as delays.
    pub retry_delays: Vec<Duration>,
    /// How long invocations may go on after a shutdown; what they do not finish is delivered at the next start.
    pub shutdown_grace: Duration,
    /// Who the dead letters say was invoked.
    pub function_arn: String,
    /// The file of JSON lines to which events go that every attempt failed for.
    pub dead_letters: PathBuf,
}

impl Policy {
    /// The policy of the local system: eight at once, five minutes, retries after 6 and 12 seconds where Lambda waits
    /// one and two minutes.
    #[must_use]
    pub fn new(function_arn: String, dead_letters: PathBuf) -> Self {
        Self {
            concurrency: 8,
            timeout: Duration::from_mins(5),
            retry_delays: vec![Duration::from_secs(6), Duration::from_secs(12)],
            shutdown_grace: Duration::from_secs(5),
            function_arn,
            dead_letters,
        }
    }
}

/// Adds an event to the queue; it is delivered at least once after the transaction commits, and never if it does not.
///
/// # Errors
/// When SQLite cannot write.
pub fn enqueue(tx: &Transaction<'_>, payload: &Value) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO events (request_id, payload) VALUES (?1, ?2)",
        (uuid::Uuid::new_v4().to_string(), payload.to_string()),
    )?;
    Ok(())
}

/// A time as AWS writes it into events: `2026-01-31T09:30:00.000Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    // Formatting fails only for parts that a date has not; this one has them all.
    OffsetDateTime::from(time).format(TIME).unwrap_or_default()
}

/// Delivers events to `handler` until `shutdown`: the oldest first, several at once, at least once each.
///
/// A failed event is tried again after the policy's delays, also across restarts; when every attempt has failed, it
/// goes to the dead-letter file. A handler that panics or takes too long has failed.
///
/// # Errors
/// When the queue cannot be read or written.
pub async fn deliver<Handler, Invocation>(
    database: Database,
    handler: Handler,
    policy: Policy,
    shutdown: impl Future<Output = ()>,
) -> rusqlite::Result<()>
where
    Handler: Fn(Value) -> Invocation,
    Invocation: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let mut commits = database.commits();
    let mut delivery = Delivery { database, policy, running: HashMap::new(), invocations: JoinSet::new() };
    loop {
        commits.mark_unchanged();
        let next_retry = delivery.start_due(&handler)?;
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = delivery.invocations.join_next_with_id() => delivery.settle(ended).await?,
            // The database lives as long as `delivery`, so this fails never.
            _ = commits.changed() => {}
            () = wait(next_retry) => {}
        }
    }
    // Only a timeout leaves invocations behind; dropping the set ends them.
    let grace = delivery.policy.shutdown_grace;
    let finished = tokio::time::timeout(grace, delivery.finish()).await;
    finished.unwrap_or(Ok(()))
}

/// An event in the queue.
#[derive(Clone, Debug)]
struct Event {
    id: i64,
    request_id: String,
    payload: Value,
    attempts: u32,
    not_before: u64,
}

/// What is being delivered at present.
struct Delivery {
    database: Database,
    policy: Policy,
    running: HashMap<task::Id, Event>,
    invocations: JoinSet<Result<(), String>>,
}

/// How an invocation ended: with the handler's answer, or with a panic.
type Ended = Result<(task::Id, Result<(), String>), JoinError>;

impl Delivery {
    /// Starts as many due events as the policy allows and answers how long to wait for the next one, if one waits.
    fn start_due<Handler, Invocation>(&mut self, handler: &Handler) -> rusqlite::Result<Option<Duration>>
    where
        Handler: Fn(Value) -> Invocation,
        Invocation: Future<Output = Result<(), String>> + Send + 'static,
    {
        if self.running.len() >= self.policy.concurrency {
            return Ok(None);
        }
        let now = millis(SystemTime::now());
        for event in self.waiting()? {
            if self.running.len() >= self.policy.concurrency {
                return Ok(None);
            }
            if event.not_before > now {
                return Ok(Some(Duration::from_millis(event.not_before - now)));
            }
            let invocation = handler(event.payload.clone());
            let limit = self.policy.timeout;
            let started = self.invocations.spawn(async move {
                let outcome = tokio::time::timeout(limit, invocation).await;
                outcome.unwrap_or_else(|_| Err(format!("Task timed out after {:.2} seconds", limit.as_secs_f64())))
            });
            self.running.insert(started.id(), event);
        }
        Ok(None)
    }

    /// The events that wait longest, enough of them to fill every free place and to know when the next one is due.
    fn waiting(&self) -> rusqlite::Result<Vec<Event>> {
        let events: Vec<Event> = self.database.read(|queue| {
            let mut statement = queue.prepare_cached(
                "SELECT id, request_id, payload, attempts, not_before FROM events ORDER BY not_before, id LIMIT ?1",
            )?;
            let rows = statement.query_map([self.policy.concurrency + 1], event)?;
            rows.collect::<rusqlite::Result<_>>()
        })?;
        let is_running = |event: &Event| self.running.values().any(|other| other.id == event.id);
        Ok(events.into_iter().filter(|event| !is_running(event)).collect())
    }

    async fn settle(&mut self, ended: Ended) -> rusqlite::Result<()> {
        let (id, outcome) = match ended {
            Ok(answered) => answered,
            Err(panicked) => (panicked.id(), Err(format!("the function crashed: {panicked}"))),
        };
        let Some(event) = self.running.remove(&id) else {
            return Ok(());
        };
        match outcome {
            Ok(()) => self.remove(&event),
            Err(message) => self.fail(event, &message).await,
        }
    }

    async fn fail(&self, mut event: Event, message: &str) -> rusqlite::Result<()> {
        let retry_delay = self.policy.retry_delays.get(event.attempts as usize);
        event.attempts += 1;
        tracing::warn!(event.request_id, event.attempts, error = message, "an event was not handled");
        match retry_delay {
            Some(delay) => self.postpone(&event, *delay),
            None => match self.bury(&event, message).await {
                // Written first and removed then: a crash in between repeats the event, it never loses it.
                Ok(()) => self.remove(&event),
                Err(error) => {
                    tracing::error!(%error, event.request_id, "the dead-letter file cannot be written");
                    let again = self.policy.retry_delays.last().copied();
                    self.postpone(&event, again.unwrap_or(Duration::from_mins(1)))
                }
            },
        }
    }

    fn postpone(&self, event: &Event, delay: Duration) -> rusqlite::Result<()> {
        let not_before = millis(SystemTime::now() + delay);
        self.database.transaction(|tx| {
            tx.execute(
                "UPDATE events SET attempts = ?1, not_before = ?2 WHERE id = ?3",
                (event.attempts, not_before, event.id),
            )?;
            Ok(())
        })
    }

    fn remove(&self, event: &Event) -> rusqlite::Result<()> {
        self.database.transaction(|tx| {
            tx.execute("DELETE FROM events WHERE id = ?1", [event.id])?;
            Ok(())
        })
    }

    /// Appends the record that Lambda sends to a function's on-failure destination.
    async fn bury(&self, event: &Event, message: &str) -> io::Result<()> {
        let record = json!({
            "version": "1.0",
            "timestamp": rfc3339(SystemTime::now()),
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": self.policy.function_arn,
                "condition": "RetriesExhausted",
                "approximateInvokeCount": event.attempts,
            },
            "requestPayload": event.payload,
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "responsePayload": {"errorMessage": message},
        });
        let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(&self.policy.dead_letters).await?;
        file.write_all(format!("{record}\n").as_bytes()).await?;
        file.sync_data().await
    }

    async fn finish(&mut self) -> rusqlite::Result<()> {
        while let Some(ended) = self.invocations.join_next_with_id().await {
            self.settle(ended).await?;
        }
        Ok(())
    }
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let payload: String = row.get(2)?;
    Ok(Event {
        id: row.get(0)?,
        request_id: row.get(1)?,
        // We wrote it; should it be damaged, the handler gets null, fails and the dead letter tells.
        payload: serde_json::from_str(&payload).unwrap_or_default(),
        attempts: row.get(3)?,
        not_before: row.get(4)?,
    })
}

fn millis(time: SystemTime) -> u64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tempfile::TempDir;
    use tokio::sync::{Notify, mpsc, oneshot};
    use tokio::task::JoinHandle;

    use super::*;

    /// A running delivery whose handler fails for `{"fail": n}` the first n times, hangs for `hang`, panics for `panic`.
    struct Running {
        database: Database,
        seen: mpsc::UnboundedReceiver<Value>,
        stop: oneshot::Sender<()>,
        delivering: JoinHandle<rusqlite::Result<()>>,
    }

    impl Running {
        fn start(dir: &Path, policy: Policy) -> Self {
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
                    assert!(event["panic"] != true, "told to");
                    let failed = failures.load(Ordering::SeqCst) as u64;
                    if event["fail"].as_u64().is_some_and(|times| failed < times) {
                        failures.fetch_add(1, Ordering::SeqCst);
                        return Err("not yet".to_owned());
                    }
                    Ok(())
                }
            };
            let delivering = tokio::spawn(deliver(database.clone(), handler, policy, async {
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

        /// Waits until nothing is queued any more.
        async fn drained(&self) {
            let mut commits = self.database.commits();
            while self.queued() > 0 {
                let commit = tokio::time::timeout(Duration::from_secs(10), commits.changed());
                commit.await.unwrap().unwrap();
            }
        }

        fn queued(&self) -> u64 {
            let count =
                self.database.read(|queue| queue.query_row("SELECT count(*) FROM events", [], |row| row.get(0)));
            count.unwrap()
        }

        async fn stop(self) {
            self.stop.send(()).unwrap();
            self.delivering.await.unwrap().unwrap();
        }
    }

    fn policy(dir: &Path) -> Policy {
        Policy {
            concurrency: 2,
            timeout: Duration::from_millis(50),
            retry_delays: vec![Duration::from_millis(1), Duration::from_millis(2)],
            shutdown_grace: Duration::from_millis(50),
            function_arn: "arn:aws:lambda:local:0:function:events".to_owned(),
            dead_letters: dir.join("dead-letter.jsonl"),
        }
    }

    fn dead_letters(dir: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(dir.join("dead-letter.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn events_are_delivered_in_order_and_removed() {
        let dir = TempDir::new().unwrap();
        let one_at_a_time = Policy { concurrency: 1, ..policy(dir.path()) };
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
        let mut running = Running::start(dir.path(), policy(dir.path()));
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
        let running = Running::start(dir.path(), policy(dir.path()));
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
    async fn a_handler_that_hangs_or_panics_has_failed_and_holds_up_no_other() {
        let dir = TempDir::new().unwrap();
        let running = Running::start(dir.path(), policy(dir.path()));
        running.enqueue(&json!({"hang": true}));
        running.enqueue(&json!({"panic": true}));
        running.enqueue(&json!({}));
        running.drained().await;
        running.stop().await;
        let messages: Vec<String> = dead_letters(dir.path())
            .iter()
            .map(|letter| letter["responsePayload"]["errorMessage"].to_string())
            .collect();
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().any(|text| text.contains("Task timed out after 0.05 seconds")));
        assert!(messages.iter().any(|text| text.contains("crashed") && text.contains("told to")));
    }

    #[tokio::test]
    async fn a_dead_letter_that_cannot_be_written_keeps_its_event() {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("dead-letter.jsonl")).unwrap();
        let mut running = Running::start(dir.path(), policy(dir.path()));
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
    async fn attempts_go_on_counting_after_a_restart() {
        let dir = TempDir::new().unwrap();
        let slow_retry =
            Policy { retry_delays: vec![Duration::from_millis(1), Duration::from_hours(1)], ..policy(dir.path()) };
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

        let running = Running::start(dir.path(), policy(dir.path()));
        running.drained().await;
        running.stop().await;
        let letters = dead_letters(dir.path());
        assert_eq!(letters[0]["requestContext"]["approximateInvokeCount"], 3);
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_the_policy_allows() {
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
        let patient = Policy { timeout: Duration::from_mins(1), ..policy(dir.path()) };
        let (stop, stopped) = oneshot::channel::<()>();
        let delivering = tokio::spawn(deliver(database.clone(), handler, patient, async {
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
    async fn a_shutdown_keeps_what_running_invocations_do_not_finish_in_time() {
        let dir = TempDir::new().unwrap();
        let patient = Policy { timeout: Duration::from_hours(1), ..policy(dir.path()) };
        let mut running = Running::start(dir.path(), patient);
        running.enqueue(&json!({"hang": true}));
        running.next().await;
        running.stop().await;

        let running = Running::start(dir.path(), policy(dir.path()));
        running.drained().await;
        running.stop().await;
        let letters = dead_letters(dir.path());
        assert_eq!(letters[0]["requestContext"]["approximateInvokeCount"], 3);
    }
}
