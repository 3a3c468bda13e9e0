//! The report: goals and figures, in Markdown and in JSON.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::contestants::{
    API, API_BEFORE, API_VARIANT, EVENTS, EVENTS_OF_ELASTIC_TRANSCODER, FLOOR, HELLO, PUT_ITEM, SDK_FLOOR,
    SDK_FLOOR_OF_EVENTS,
};
use crate::figures::{Figure, Figures};
use crate::goals::{self, Row};
use crate::lists::{FILTERS, list_of};
use crate::measure::{EVENT_SIZES, TABLE_SIZES, event_of, form_among, page_of};
use crate::peers::{CHALICE, NODE, PYTHON};

/// `target/bench.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: String,
    /// When the measurements began and when they ended.
    load_averages: [String; 2],
    versions: Vec<String>,
    figures: Vec<Row>,
    #[serde(skip)]
    limits: Vec<Row>,
}

/// What is known of each contestant.
const OF_CONTESTANTS: [Figure; 15] = [
    Figure::InitWarm,
    Figure::InitHttp,
    Figure::InitEvicted,
    Figure::First,
    Figure::FirstThrottled,
    Figure::ColdStart,
    Figure::P50,
    Figure::P99,
    Figure::Cpu,
    Figure::CpuHttp,
    Figure::Instructions,
    Figure::InstructionsHttp,
    Figure::Memory,
    Figure::Size,
    Figure::Zip,
];

impl Report {
    pub fn new(figures: &Figures, machine: String, loads: &[String; 2], versions: Vec<String>) -> Self {
        Self {
            machine,
            load_averages: loads.clone(),
            versions,
            figures: goals::goals(figures),
            limits: goals::limits(figures),
        }
    }

    /// Formats the Markdown document, with all figures.
    pub fn document(&self, figures: &Figures) -> String {
        let mut text = format!(
            "# Benchmarks\n\nWritten by `make bench`. Measured on loopback, not on AWS.\n\n\
             - machine: {}\n- load average of the last minute: {} when it began, {} when it ended; the bench itself \
             makes about 1\n- versions: {}\n\n## Goals\n\n\
             | figure | value | floor | ratio | goal | stretch | |\n|---|---|---|---|---|---|---|\n",
            self.machine,
            self.load_averages[0],
            self.load_averages[1],
            self.versions.join(", ")
        );
        for goal in &self.figures {
            let _ = writeln!(
                text,
                "| {} | {} | {} | **{}** | {} | {} | {} |",
                goal.name,
                shown(goal.value, goal.unit),
                shown(goal.floor, goal.unit),
                goal.shown_ratio(),
                goal.goal,
                goal.stretch,
                goal.verdict(),
            );
        }
        text += "\nWhere a peer's name comes first, the value is the peer's and the floor is ours.\n";
        text += &self.limits();
        text += "\n## Contestants\n";
        text += &matrix(figures, &contestants(figures), &OF_CONTESTANTS);
        text += "\nOn Elastic Transcoder, video-events and its floor process one S3 event: one Query, two UpdateItem \
                 and one CreateJob. `video-events` is the same with MediaConvert.\n\n## Growth\n";
        text += &growth(figures);
        text += &lists(figures);
        text +=
            "\n`/videos` is the admin's first page of 100, `/presignedurl` a form, with a table of so many records in ";
        text + "dynoxide, the local DynamoDB. Latencies include dynoxide's.\n"
    }

    /// Formats the distances from the physical limits.
    fn limits(&self) -> String {
        let mut text = "\n## Physical limits\n\nNo goals: what the standard library, `lambda_http` alone, or one \
                        handwritten request would take.\n\n| figure | value | limit | ratio |\n|---|---|---|---|\n"
            .to_owned();
        for limit in &self.limits {
            let ratio = limit.shown_ratio();
            let (value, floor) = (shown(limit.value, limit.unit), shown(limit.floor, limit.unit));
            let _ = writeln!(text, "| {} | {value} | {floor} | {ratio} |", limit.name);
        }
        text
    }

    pub fn write(&self, document: &str, json: &Path, markdown: &Path) -> io::Result<()> {
        let figures = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        fs::write(json, figures + "\n")?;
        fs::write(markdown, document.to_owned() + "\n" + include_str!("../NOTES.md"))
    }
}

/// Returns who was measured, in the order of the report.
fn contestants(figures: &Figures) -> Vec<&'static str> {
    let mut all = vec![FLOOR, HELLO, PUT_ITEM, SDK_FLOOR, API, API_BEFORE, API_VARIANT];
    all.extend([SDK_FLOOR_OF_EVENTS, EVENTS_OF_ELASTIC_TRANSCODER, EVENTS, NODE, PYTHON, CHALICE]);
    all.retain(|name| figures.get(name, Figure::InitWarm).is_some());
    all
}

/// Formats what grows with a table or an event.
fn growth(figures: &Figures) -> String {
    let mut names: Vec<String> = Vec::new();
    for api in [API, API_BEFORE, API_VARIANT] {
        names.extend(TABLE_SIZES.map(|count| page_of(api, count)));
        names.extend(TABLE_SIZES.map(|count| form_among(api, count)));
    }
    names.extend([API, EVENTS].iter().flat_map(|name| EVENT_SIZES.map(|bytes| event_of(name, bytes))));
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.retain(|name| figures.get(name, Figure::Latency).is_some());
    matrix(figures, &names, &[Figure::Latency, Figure::CpuHttp, Figure::Memory])
}

/// Formats what a page of each filter takes, at each size of the table.
pub fn lists(figures: &Figures) -> String {
    let names: Vec<String> =
        FILTERS.iter().flat_map(|filter| TABLE_SIZES.map(|count| list_of(filter, count))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    matrix(figures, &names, &[Figure::Requests, Figure::Items, Figure::Latency])
}

/// Formats a table with a row for each name and a column for each figure.
fn matrix(figures: &Figures, names: &[&str], columns: &[Figure]) -> String {
    let title = |figure: &Figure| match figure.title() {
        (name, "") => name.to_owned(),
        (name, unit) => format!("{name}, {unit}"),
    };
    let titles: Vec<String> = columns.iter().map(title).collect();
    let mut text = format!("\n| | {} |\n|---{}|\n", titles.join(" | "), "|---".repeat(columns.len()));
    for name in names {
        let cells: Vec<String> = columns.iter().map(|figure| shown(figures.get(name, *figure), "")).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

/// Formats a figure with three digits.
pub fn shown(value: Option<f64>, unit: &str) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}").trim_end().to_owned()
}
