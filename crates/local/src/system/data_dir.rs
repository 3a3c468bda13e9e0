//! The lock of the data directory: one system at a time.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::StartError;

/// How long a start waits for the lock: a process that is exiting may still hold it, and so may a child that another
/// thread is spawning, which inherits our files until its `exec`.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Creates the data directory and locks it. The lock is released with the returned file, however the process ends.
///
/// # Errors
/// [`StartError::DataDir`], or [`StartError::InUse`] when the lock is not released in time.
pub(super) async fn lock(data_dir: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::DataDir { path: data_dir.to_owned(), source };
    std::fs::create_dir_all(data_dir).map_err(failed)?;
    let file = File::create(data_dir.join("lock")).map_err(failed)?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(LOCK_POLL_INTERVAL).await,
            Err(TryLockError::WouldBlock) => return Err(StartError::InUse(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_waits_for_a_lock_that_is_released_soon_but_not_for_one_that_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).await.unwrap();
        let release_soon = async move {
            tokio::time::sleep(LOCK_POLL_INTERVAL * 5).await;
            drop(held);
        };
        let ((), waited) = tokio::join!(release_soon, lock(dir.path()));
        let _held = waited.unwrap();
        assert!(matches!(lock(dir.path()).await, Err(StartError::InUse(_))));
    }
}
