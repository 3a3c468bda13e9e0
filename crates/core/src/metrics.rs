//! Metrics in CloudWatch's embedded metric format: lines of the log that CloudWatch makes metrics of, without a call.
//!
//! See <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html>.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::env::{Lookup, optional};
use crate::time::epoch_millis;

const NAMESPACE: &str = "Video";

/// The function whose metrics these are; outside Lambda there are none.
static FUNCTION: OnceLock<String> = OnceLock::new();

/// What is counted. `template.yaml` has an alarm or a graph of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// An upload was claimed for the first time.
    Uploads,
    /// A job was created.
    Jobs,
    /// A result was announced.
    Ready,
    /// A failure was announced.
    Failed,
    /// An event, or a part of one, was dropped because nothing can be made of it.
    Malformed,
}

/// Starts the metrics of the function that Lambda names.
pub fn start(lookup: Lookup) {
    if let Some(function) = optional(lookup, "AWS_LAMBDA_FUNCTION_NAME") {
        let _ = FUNCTION.set(function);
    }
}

/// Counts one.
pub fn count(metric: Metric) {
    let name = match metric {
        Metric::Uploads => "Uploads",
        Metric::Jobs => "Jobs",
        Metric::Ready => "Ready",
        Metric::Failed => "Failed",
        Metric::Malformed => "Malformed",
    };
    write(name, "Count", 1);
}

/// Records how long a video took from its upload, or its last retry, to its result.
pub fn time_to_ready(time: Duration) {
    write("TimeToReady", "Milliseconds", u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
}

fn write(name: &str, unit: &str, value: u64) {
    if let Some(function) = FUNCTION.get() {
        println!("{}", line(function, (name, unit, value), SystemTime::now()));
    }
}

fn line(function: &str, (name, unit, value): (&str, &str, u64), now: SystemTime) -> Value {
    json!({
        "_aws": {
            "Timestamp": u64::try_from(epoch_millis(now)).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["FunctionName"]],
                "Metrics": [{ "Name": name, "Unit": unit }],
            }],
        },
        "FunctionName": function,
        name: value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_a_line_with_its_own_description() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_489_200_123);
        assert_eq!(
            line("video-events", ("Jobs", "Count", 1), now),
            json!({
                "_aws": {
                    "Timestamp": 1_795_489_200_123_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Video",
                        "Dimensions": [["FunctionName"]],
                        "Metrics": [{ "Name": "Jobs", "Unit": "Count" }],
                    }],
                },
                "FunctionName": "video-events",
                "Jobs": 1,
            })
        );
    }
}
