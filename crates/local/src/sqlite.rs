//! `local.sqlite`: the SQLite file behind S3, the transcoders and the event queue. DynamoDB has a file of its own.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::watch;

/// How long SQLite waits for another process that is closing the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle to `local.sqlite`: cheap to clone, one connection behind a mutex.
///
/// Calls are short (microseconds to a few milliseconds) and wait for nothing but the mutex, so asynchronous code makes
/// them in place.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Mutex<Connection>,
    commits: watch::Sender<()>,
}

impl Database {
    /// Opens or creates the file and runs the `schemas` of the modules that store data in it. Every statement of a
    /// schema is `IF NOT EXISTS`, so an existing file needs no special case.
    ///
    /// # Errors
    /// When the file cannot be opened or written, or is not a database.
    pub fn open(path: &Path, schemas: &[&str]) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // In WAL mode, NORMAL would lose the last commits when the power fails.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        for schema in schemas {
            connection.execute_batch(schema)?;
        }
        Ok(Self { shared: Arc::new(Shared { connection: Mutex::new(connection), commits: watch::Sender::new(()) }) })
    }

    /// Runs `work` in a transaction that commits if it returns `Ok`, and rolls back if it fails or panics.
    ///
    /// # Errors
    /// The error of `work`, or SQLite's own.
    pub fn transaction<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let outcome = {
            let mut connection = self.lock();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let outcome = work(&transaction)?;
            transaction.commit()?;
            outcome
        };
        self.shared.commits.send_replace(());
        Ok(outcome)
    }

    /// Runs read-only queries; subscribers of [`Database::commits`] are not woken.
    ///
    /// # Errors
    /// The error of `work`, or SQLite's own.
    pub fn read<T, E: From<rusqlite::Error>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        work(&self.lock())
    }

    /// Subscribes to commits. A loop that looks for work subscribes first, looks, and then awaits `changed()`, so that
    /// it misses no commit in between.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<()> {
        self.shared.commits.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic in `work` has already rolled its transaction back, so the connection is sound.
        self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
