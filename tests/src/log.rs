//! Captures the log, so that a test can read it.

use std::io::{Result, Write, sink};
use std::sync::{Arc, Mutex, Once};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// What has been logged so far. Clones share it; a subscriber gets one as its writer.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures what this thread logs until the guard is dropped.
    pub fn capture(filter: &str) -> (Self, DefaultGuard) {
        // tracing caches whether anyone wants a log line. Without a global subscriber, another test's thread may be the
        // first to reach the line, and then it is never logged.
        static GLOBAL: Once = Once::new();
        GLOBAL.call_once(|| tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(sink).init());
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_ansi(false);
        let guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
        (log, guard)
    }

    /// Returns all of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
