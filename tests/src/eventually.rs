//! Waiting for what happens elsewhere.

use std::time::Duration;

/// Long enough for a busy machine; a test continues as soon as it can.
const TIMEOUT: Duration = Duration::from_mins(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Polls until there is a value and returns it.
///
/// # Panics
/// When there is none in time; the message says `what` was awaited.
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let value = async {
        loop {
            if let Some(value) = poll().await {
                return value;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::time::timeout(TIMEOUT, value).await.unwrap_or_else(|_| panic!("timed out after {TIMEOUT:?}: {what}"))
}
