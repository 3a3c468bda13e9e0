//! The log of the whole process.

use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use video_tests::Log;

use super::canaries::assert_clean;

/// Captures the log of the process from the first call on.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let filter = EnvFilter::new(levels("debug"));
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(move || writer.clone()).init();
        log
    })
}

/// Returns a filter with our own crates at TRACE and all others at `others`.
pub fn levels(others: &str) -> String {
    format!("{others},video_api=trace,video_core=trace,video_events=trace,video_local=trace")
}

/// Asserts that our crates, the SDK and the HTTP client have logged, and no canary.
pub fn assert_log_is_clean(log: &Log) {
    let log = log.text();
    for who in ["video_", "aws_smithy_runtime::", "hyper_util::"] {
        assert!(log.contains(who), "{who} has logged nothing");
    }
    for line in log.lines() {
        assert_clean("the log", line);
    }
}
