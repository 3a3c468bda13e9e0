//! The tasks of a running system.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long a stop waits for open connections.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Tasks that run until they are stopped together.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<(&'static str, Result<(), String>)>,
    stop: CancellationToken,
}

impl Tasks {
    /// Spawns a task; `start` gets the future that tells it to stop.
    pub(super) fn spawn<E: Display, F>(
        &mut self,
        name: &'static str,
        start: impl FnOnce(WaitForCancellationFutureOwned) -> F,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let task = start(self.stop.clone().cancelled_owned());
        self.running.spawn(async move { (name, task.await.map_err(|error| error.to_string())) });
    }

    /// Waits for a task that ends by itself, which none should, and returns which one and why.
    pub(super) async fn failure(&mut self) -> String {
        match self.running.join_next().await {
            Some(Ok((name, Ok(())))) => format!("{name} stopped"),
            Some(Ok((name, Err(reason)))) => format!("{name} stopped: {reason}"),
            Some(Err(error)) => format!("a task stopped: {error}"),
            None => "every task has stopped".to_owned(),
        }
    }

    /// Stops every task.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        let all = async { while self.running.join_next().await.is_some() {} };
        // A client may hold a connection open for as long as it likes.
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!(
                "some connections were still open after {} seconds: connections closed",
                STOP_TIMEOUT.as_secs()
            );
        }
    }
}

/// Gives a task that cannot fail the output of one that can.
pub(super) async fn infallible(work: impl Future<Output = ()>) -> Result<(), Infallible> {
    work.await;
    Ok(())
}
