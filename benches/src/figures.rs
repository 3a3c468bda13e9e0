//! The figures of each contestant: all measurements are kept, and the median is reported.

use std::collections::BTreeMap;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// From the start of the process to its first request for an event, with its files in the disk cache. Milliseconds.
    InitWarm,
    /// The same with its files evicted from the disk cache. Milliseconds.
    InitEvicted,
    /// As [`Self::InitWarm`], with AWS over plain HTTP. Milliseconds.
    InitHttp,
    /// The first invocation over TLS. Milliseconds.
    First,
    /// The same with the share of a core that a function of 128 MB has. Milliseconds.
    FirstThrottled,
    /// A cold start: [`Self::InitWarm`] and [`Self::First`] of one process together. Milliseconds.
    ColdStart,
    /// The median of warm invocations over TLS. Milliseconds.
    P50,
    /// Their 99th percentile. Milliseconds.
    P99,
    /// CPU time of a warm invocation over TLS. Microseconds.
    Cpu,
    /// The same over plain HTTP. Microseconds.
    CpuHttp,
    /// Instructions of a warm invocation over TLS. Thousands.
    Instructions,
    /// The same over plain HTTP. Thousands.
    InstructionsHttp,
    /// The peak resident memory. Megabytes.
    Memory,
    /// The stripped program. Megabytes.
    Size,
    /// The program compressed. Megabytes.
    Zip,
    /// Warm invocations over plain HTTP. Milliseconds.
    Latency,
    /// Requests to DynamoDB.
    Requests,
    /// Items that DynamoDB returned.
    Items,
}

impl Figure {
    /// Returns the title in the report and the unit.
    pub fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::InitWarm => ("init, warm cache", "ms"),
            Self::InitEvicted => ("init, evicted cache", "ms"),
            Self::InitHttp => ("init, warm cache, HTTP", "ms"),
            Self::First => ("first invoke", "ms"),
            Self::FirstThrottled => ("first invoke, 128 MB", "ms"),
            Self::ColdStart => ("init + first invoke", "ms"),
            Self::P50 => ("warm p50", "ms"),
            Self::P99 => ("warm p99", "ms"),
            Self::Cpu => ("warm CPU, TLS", "µs"),
            Self::CpuHttp => ("warm CPU, HTTP", "µs"),
            Self::Instructions => ("instructions, TLS", "k"),
            Self::InstructionsHttp => ("instructions, HTTP", "k"),
            Self::Memory => ("peak RSS", "MB"),
            Self::Size => ("stripped", "MB"),
            Self::Zip => ("zipped", "MB"),
            Self::Latency => ("latency p50", "ms"),
            Self::Requests => ("requests to DynamoDB", ""),
            Self::Items => ("items read", ""),
        }
    }
}

/// Every measurement.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<(String, Figure), Vec<f64>>);

impl Figures {
    /// Adds a measurement.
    pub fn add(&mut self, contestant: &str, figure: Figure, value: f64) {
        self.0.entry((contestant.to_owned(), figure)).or_default().push(value);
    }

    /// Returns the median of the measurements; `None` when there are none.
    pub fn get(&self, contestant: &str, figure: Figure) -> Option<f64> {
        self.0.get(&(contestant.to_owned(), figure)).and_then(|values| quantile(values, 0.5))
    }
}

/// Returns the `q` quantile of the values.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let place = (sorted.len().saturating_sub(1) as f64 * q).round() as usize;
    sorted.get(place).copied()
}
