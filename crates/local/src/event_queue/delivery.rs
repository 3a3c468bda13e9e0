//! Handing each event to its receiver, with Lambda's concurrency, timeout and retries.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::task::{self, JoinError, JoinSet};

use super::dead_letter::write_dead_letter;
use super::table::{self, Event, Queue};
use crate::sqlite::Database;
use crate::timestamps::unix_millis;

/// How the events of a queue are delivered; for the function see
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html>.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// The queue that is delivered.
    pub queue: Queue,
    /// Invocations at the same time.
    pub concurrency: usize,
    /// An invocation that takes longer is dropped and has failed.
    pub timeout: Duration,
    /// The wait before each retry; there are as many retries as delays.
    pub retry_delays: Vec<Duration>,
    /// How long running invocations may continue after a shutdown; unfinished events are delivered at the next start.
    pub shutdown_grace: Duration,
    /// The receiver that dead letters name: the function's ARN, or the webhook's URL.
    pub function_arn: String,
    /// The file that events are written to, one per line, when every attempt has failed.
    pub dead_letter_file: PathBuf,
}

impl DeliveryConfig {
    /// Returns the defaults for the events function on the local system: eight at once, five minutes each, retries
    /// after 6 and 12 seconds (Lambda waits one and two minutes).
    #[must_use]
    pub fn new(function_arn: String, dead_letter_file: PathBuf) -> Self {
        Self {
            queue: Queue::Function,
            concurrency: 8,
            timeout: Duration::from_mins(5),
            retry_delays: vec![Duration::from_secs(6), Duration::from_secs(12)],
            shutdown_grace: Duration::from_secs(5),
            function_arn,
            dead_letter_file,
        }
    }
}

/// Delivers the queue's events to `handler` until `shutdown`: the oldest first, several at once, each at least once.
///
/// A failed event is retried after the configured delays, across restarts too; once every attempt has failed, it goes
/// to the dead-letter file. A handler that panics or times out has failed.
///
/// # Errors
/// When the queue cannot be read or written.
pub async fn deliver<Handler, Invocation>(
    database: Database,
    handler: Handler,
    config: DeliveryConfig,
    shutdown: impl Future<Output = ()>,
) -> rusqlite::Result<()>
where
    Handler: Fn(Value) -> Invocation,
    Invocation: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let mut commits = database.commits();
    let mut delivery = Delivery { database, config, running: HashMap::new(), invocations: JoinSet::new() };
    loop {
        commits.mark_unchanged();
        let next_due = delivery.start_due(&handler)?;
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(finished) = delivery.invocations.join_next_with_id() => delivery.record(finished).await?,
            // The database lives as long as `delivery`, so the channel is never closed.
            _ = commits.changed() => {}
            () = sleep(next_due) => {}
        }
    }
    // Dropping the set aborts the invocations that outlive the grace period.
    let grace = delivery.config.shutdown_grace;
    let finished = tokio::time::timeout(grace, delivery.finish()).await;
    finished.unwrap_or(Ok(()))
}

/// The invocations in progress.
struct Delivery {
    database: Database,
    config: DeliveryConfig,
    running: HashMap<task::Id, Event>,
    invocations: JoinSet<Result<(), String>>,
}

/// A finished invocation: the handler's result, or a panic.
type Finished = Result<(task::Id, Result<(), String>), JoinError>;

impl Delivery {
    /// Starts as many due events as the concurrency allows, and returns the wait until the next one is due.
    fn start_due<Handler, Invocation>(&mut self, handler: &Handler) -> rusqlite::Result<Option<Duration>>
    where
        Handler: Fn(Value) -> Invocation,
        Invocation: Future<Output = Result<(), String>> + Send + 'static,
    {
        if self.running.len() >= self.config.concurrency {
            return Ok(None);
        }
        let now = unix_millis(SystemTime::now());
        for event in self.waiting()? {
            if self.running.len() >= self.config.concurrency {
                return Ok(None);
            }
            if event.not_before > now {
                return Ok(Some(Duration::from_millis((event.not_before - now).unsigned_abs())));
            }
            let invocation = handler(event.payload.clone());
            let timeout = self.config.timeout;
            let started = self.invocations.spawn(async move {
                let outcome = tokio::time::timeout(timeout, invocation).await;
                outcome.unwrap_or_else(|_| Err(format!("Task timed out after {:.2} seconds", timeout.as_secs_f64())))
            });
            self.running.insert(started.id(), event);
        }
        Ok(None)
    }

    /// Returns the events that are due next and not running, at least one more than can be started.
    fn waiting(&self) -> rusqlite::Result<Vec<Event>> {
        let events = self.database.read(|db| table::next(db, self.config.queue, self.config.concurrency + 1))?;
        let is_running = |event: &Event| self.running.values().any(|other| other.id == event.id);
        Ok(events.into_iter().filter(|event| !is_running(event)).collect())
    }

    /// Removes the event of a finished invocation, or arranges what follows its failure.
    async fn record(&mut self, finished: Finished) -> rusqlite::Result<()> {
        let (id, outcome) = match finished {
            Ok(returned) => returned,
            Err(panicked) => (panicked.id(), Err(format!("the function crashed: {panicked}"))),
        };
        let Some(event) = self.running.remove(&id) else {
            return Ok(());
        };
        match outcome {
            Ok(()) => self.remove(&event),
            Err(message) => self.retry_or_dead_letter(event, &message).await,
        }
    }

    async fn retry_or_dead_letter(&self, mut event: Event, message: &str) -> rusqlite::Result<()> {
        let retry_delay = self.config.retry_delays.get(event.attempts as usize);
        event.attempts += 1;
        tracing::warn!(event.request_id, event.attempts, error = message, "{} failed", self.config.queue.receiver());
        if let Some(delay) = retry_delay {
            return self.postpone(&event, *delay);
        }
        let DeliveryConfig { dead_letter_file, function_arn, .. } = &self.config;
        match write_dead_letter(dead_letter_file, function_arn, &event, message).await {
            // Removed after it is written: a crash in between repeats the event but never loses it.
            Ok(()) => self.remove(&event),
            Err(error) => {
                tracing::error!(%error, event.request_id, "failed to write the dead-letter file; will retry");
                let last_delay = self.config.retry_delays.last().copied();
                self.postpone(&event, last_delay.unwrap_or(Duration::from_mins(1)))
            }
        }
    }

    fn postpone(&self, event: &Event, delay: Duration) -> rusqlite::Result<()> {
        let not_before = unix_millis(SystemTime::now() + delay);
        self.database.transaction(|tx| table::postpone(tx, self.config.queue, event, not_before))
    }

    fn remove(&self, event: &Event) -> rusqlite::Result<()> {
        self.database.transaction(|tx| table::remove(tx, self.config.queue, event))
    }

    async fn finish(&mut self) -> rusqlite::Result<()> {
        while let Some(finished) = self.invocations.join_next_with_id().await {
            self.record(finished).await?;
        }
        Ok(())
    }
}

/// Sleeps for the given time, or for ever without one.
async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
