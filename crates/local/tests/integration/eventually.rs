//! Waiting for what another task or process does.

use std::time::Duration;

/// Long enough for a busy machine: a test continues as soon as it can.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Polls until the condition holds.
pub async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, wait).await.expect("the condition did not hold in time");
}
