//! The figures of each contestant: every measurement is kept until the end, and the median speaks for them.

use std::collections::BTreeMap;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// From the process start to its first question for an event, its files in the disk cache. Milliseconds.
    InitWarm,
    /// The same with its files on the disk alone. Milliseconds.
    InitEvicted,
    /// From the process start to the first question, files in the cache, AWS over plain HTTP. Milliseconds.
    InitHttp,
    /// The first invocation over TLS. Milliseconds.
    First,
    /// The same at the share of a core that 128 MB buy. Milliseconds.
    FirstThrottled,
    /// Half of the warm invocations over TLS take less. Milliseconds.
    P50,
    /// So do 99 of 100. Milliseconds.
    P99,
    /// Processor time of a warm invocation over TLS. Microseconds.
    Cpu,
    /// The same over plain HTTP. Microseconds.
    CpuHttp,
    /// Instructions of a warm invocation over TLS. Thousands.
    Instructions,
    /// The same over plain HTTP. Thousands.
    InstructionsHttp,
    /// The most memory held. Megabytes.
    Memory,
    /// The stripped program. Megabytes.
    Size,
    /// The program compressed. Megabytes.
    Zip,
    /// Warm invocations over plain HTTP. Milliseconds.
    Latency,
}

impl Figure {
    /// What the report says of it, with its unit.
    pub fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::InitWarm => ("init, warm cache", "ms"),
            Self::InitEvicted => ("init, evicted cache", "ms"),
            Self::InitHttp => ("init, warm cache, HTTP", "ms"),
            Self::First => ("first invoke", "ms"),
            Self::FirstThrottled => ("first invoke, 128 MB", "ms"),
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
        }
    }
}

/// Every measurement.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<(String, Figure), Vec<f64>>);

impl Figures {
    pub fn add(&mut self, contestant: &str, figure: Figure, value: f64) {
        self.0.entry((contestant.to_owned(), figure)).or_default().push(value);
    }

    /// The median of what was measured; `None` when nothing was.
    pub fn get(&self, contestant: &str, figure: Figure) -> Option<f64> {
        self.0.get(&(contestant.to_owned(), figure)).and_then(|values| quantile(values, 0.5))
    }
}

/// The value that the share `q` of the values does not exceed.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let place = (sorted.len().saturating_sub(1) as f64 * q).round() as usize;
    sorted.get(place).copied()
}
