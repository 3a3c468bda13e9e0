//! The report: the goals as ratios, in Markdown and in JSON.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::contestants::{API, CHALICE, EVENTS, EVENTS_OF_ELASTIC_TRANSCODER, FLOOR, HELLO, PUT_ITEM};
use crate::figures::{Figure, Figures};
use crate::lists::{FILTERS, list_of};
use crate::measure::{EVENT_SIZES, TABLE_SIZES, event_of, form_among, page_of};

/// `target/bench.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: String,
    versions: Vec<String>,
    figures: Vec<Row>,
}

/// A goal and the ratio that was measured; null where nothing was.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    value: Option<f64>,
    floor: Option<f64>,
    ratio: Option<f64>,
    goal: f64,
    stretch: f64,
    /// Whether a larger ratio is better.
    #[serde(skip)]
    more_is_better: bool,
    #[serde(skip)]
    unit: &'static str,
}

impl Report {
    pub fn new(figures: &Figures, machine: String, versions: Vec<String>) -> Self {
        let row = |name: &str, value: (&str, Figure), floor: (&str, Figure), (goal, stretch)| {
            let unit = value.1.title().1;
            let (value, floor) = (figures.get(value.0, value.1), figures.get(floor.0, floor.1));
            let ratio = value.zip(floor).map(|(value, floor)| value / floor);
            Row { name: name.to_owned(), value, floor, ratio, goal, stretch, more_is_better: false, unit }
        };
        let beside = |name, figure, floor, goals| row(name, (API, figure), (floor, figure), goals);
        let peer = |name, figure, goals| {
            let row = row(name, (CHALICE, figure), (API, figure), goals);
            Row { more_is_better: true, ..row }
        };
        let first = (API, Figure::First);
        let rows = vec![
            beside("init, warm cache / trimmed hello", Figure::InitWarm, HELLO, (1.3, 1.05)),
            beside("init, evicted cache / trimmed hello", Figure::InitEvicted, HELLO, (2.2, 1.5)),
            row("first invoke, prewarmed / own warm p50", first, (API, Figure::P50), (3.5, 2.0)),
            row("first invoke at 128 MB quota / unthrottled", (API, Figure::FirstThrottled), first, (1.5, 1.2)),
            beside("warm CPU of /presignedurl / raw PutItem", Figure::Cpu, PUT_ITEM, (2.0, 1.5)),
            beside("instructions / raw PutItem", Figure::Instructions, PUT_ITEM, (1.8, 1.4)),
            beside("peak RSS / raw PutItem", Figure::Memory, PUT_ITEM, (1.5, 1.2)),
            beside("zip / trimmed hello", Figure::Zip, HELLO, (3.3, 2.0)),
            peer("Chalice / ours: init", Figure::InitWarm, (100.0, 150.0)),
            peer("Chalice / ours: warm CPU", Figure::Cpu, (9.0, 18.0)),
            peer("Chalice / ours: RSS", Figure::Memory, (7.0, 9.0)),
            row(
                "/videos page of 100: 1 million / 1 thousand records",
                (&page_of(1_000_000), Figure::Latency),
                (&page_of(1_000), Figure::Latency),
                (1.05, 1.02),
            ),
        ];
        let lists = FILTERS.map(|filter| {
            let (million, thousand) = (list_of(filter, 1_000_000), list_of(filter, 1_000));
            let name = format!("page of 100, {filter}: 1 million / 1 thousand records");
            row(&name, (&million, Figure::Latency), (&thousand, Figure::Latency), (1.05, 1.02))
        });
        Self { machine, versions, figures: rows.into_iter().chain(lists).collect() }
    }

    /// Formats the Markdown document, with all figures.
    pub fn document(&self, figures: &Figures) -> String {
        let mut text = format!(
            "# Benchmarks\n\nWritten by `make bench`. Measured on loopback, not on AWS.\n\n\
             - machine: {}\n- versions: {}\n\n## Goals\n\n\
             | figure | ours | floor | ratio | goal | stretch | |\n|---|---|---|---|---|---|---|\n",
            self.machine,
            self.versions.join(", ")
        );
        for row in &self.figures {
            let _ = writeln!(
                text,
                "| {} | {} | {} | **{}** | {} | {} | {} |",
                row.name,
                shown(row.value, row.unit),
                shown(row.floor, row.unit),
                row.ratio.map_or("not measured".to_owned(), |ratio| format!("{ratio:.2}")),
                row.goal,
                row.stretch,
                row.verdict(),
            );
        }
        text += "\nIn Chalice's rows, the first figure is Chalice's and the floor is ours.\n\n## Contestants\n";
        let all = [FLOOR, HELLO, PUT_ITEM, API, EVENTS, EVENTS_OF_ELASTIC_TRANSCODER, CHALICE];
        text += &matrix(
            figures,
            &all,
            &[
                Figure::InitWarm,
                Figure::InitHttp,
                Figure::InitEvicted,
                Figure::First,
                Figure::FirstThrottled,
                Figure::P50,
                Figure::P99,
                Figure::Cpu,
                Figure::CpuHttp,
                Figure::Instructions,
                Figure::InstructionsHttp,
                Figure::Memory,
                Figure::Size,
                Figure::Zip,
            ],
        );
        text += "\nvideo-events processes one S3 event: one Query, two UpdateItem and one CreateJob.\n\n## Growth\n";
        let mut sizes: Vec<String> = TABLE_SIZES.map(page_of).into();
        sizes.extend(TABLE_SIZES.map(form_among));
        sizes.extend([API, EVENTS].iter().flat_map(|name| EVENT_SIZES.map(|bytes| event_of(name, bytes))));
        let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
        text += &matrix(figures, &sizes, &[Figure::Latency, Figure::CpuHttp, Figure::Memory]);
        text += &lists(figures);
        text +=
            "\n`/videos` is the admin's first page of 100, `/presignedurl` a form, with a table of so many records in ";
        text + "dynoxide, the local DynamoDB. Latencies include dynoxide's.\n"
    }

    pub fn write(&self, document: &str, json: &Path, markdown: &Path) -> io::Result<()> {
        let figures = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        fs::write(json, figures + "\n")?;
        fs::write(markdown, document.to_owned() + "\n" + include_str!("../NOTES.md"))
    }
}

impl Row {
    fn verdict(&self) -> &'static str {
        let reaches = |limit: f64| {
            self.ratio.is_some_and(|ratio| if self.more_is_better { ratio >= limit } else { ratio <= limit })
        };
        match (reaches(self.stretch), reaches(self.goal)) {
            (true, _) => "stretch",
            (false, true) => "goal",
            (false, false) => "missed",
        }
    }
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
    let titles: Vec<String> =
        columns.iter().map(|figure| figure.title()).map(|(name, unit)| format!("{name}, {unit}")).collect();
    let mut text = format!("\n| | {} |\n|---{}|\n", titles.join(" | "), "|---".repeat(columns.len()));
    for name in names {
        let cells: Vec<String> = columns.iter().map(|figure| shown(figures.get(name, *figure), "")).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

/// Formats a figure with three digits.
fn shown(value: Option<f64>, unit: &str) -> String {
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
