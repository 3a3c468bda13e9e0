//! The one SQLite file that holds everything of the local system that is not DynamoDB.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::watch;

/// How long opening waits for a process that is just closing the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle to `local.sqlite`: cheap to clone, one connection behind a mutex.
///
/// Calls are short (microseconds to a few milliseconds) and never wait for anything but the mutex, so asynchronous
/// code makes them in place.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Mutex<Connection>,
    commits: watch::Sender<()>,
}

impl Database {
    /// Opens or creates the file, with what each module keeps in it: every statement of `schemas` is `IF NOT EXISTS`, so an old file is no
    /// special case.
    ///
    /// # Errors
    /// When the file cannot be opened or written, or is not a database.
    pub fn open(path: &Path, schemas: &[&str]) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // In WAL mode NORMAL loses nothing when the process dies; only a power cut may take the last commits.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")?;
        for schema in schemas {
            connection.execute_batch(schema)?;
        }
        Ok(Self { shared: Arc::new(Shared { connection: Mutex::new(connection), commits: watch::Sender::new(()) }) })
    }

    /// Runs `work` and commits what it did when it answers `Ok`; otherwise, or when it panics, nothing happened.
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

    /// Runs queries that write nothing; nobody who waits for [`Database::commits`] is woken.
    ///
    /// # Errors
    /// The error of `work`, or SQLite's own.
    pub fn read<T, E: From<rusqlite::Error>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        work(&self.lock())
    }

    /// Tells of every commit from now on. A loop that looks for work subscribes first, looks, and then waits for
    /// `changed()`: what is committed in between is not missed.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<()> {
        self.shared.commits.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic in `work` has already rolled its transaction back: the connection is sound.
        self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
