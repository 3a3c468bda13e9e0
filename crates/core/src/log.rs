//! The functions' log: a line for each event on standard output, where Lambda collects it.
//!
//! `lambda_runtime` brings the same as a default, with filters in a language of their own, whose regular expressions
//! are 4 % of the API's code. They make a start no slower that could be measured.

use tracing_subscriber::filter::LevelFilter;

use crate::env::{Lookup, optional};

/// Starts the log as Lambda's logging controls ask: `AWS_LAMBDA_LOG_LEVEL` (else `RUST_LOG`, else `INFO`), and JSON
/// when `AWS_LAMBDA_LOG_FORMAT` says so. See
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html>.
pub fn start(lookup: Lookup) {
    let level = optional(lookup, "AWS_LAMBDA_LOG_LEVEL").or_else(|| optional(lookup, "RUST_LOG"));
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let log = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false).without_time();
    if optional(lookup, "AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        log.json().init();
    } else {
        log.init();
    }
}
