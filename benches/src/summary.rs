//! The README's table of what is measured, beside the same form in other languages.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use crate::contestants::{API, SDK_FLOOR};
use crate::figures::{Figure, Figures};
use crate::measure::page_of;
use crate::peers::{CHALICE, NODE, PYTHON};
use crate::report::shown;

/// What stands around the table in the README.
const BEGIN: &str = "<!-- Written by `make bench`. -->\n";
const END: &str = "<!-- End of what `make bench` writes. -->\n";

/// The columns and their titles.
const COLUMNS: [(&str, &str); 5] = [
    (API, "`video-api`"),
    (SDK_FLOOR, "least program on the SDK"),
    (NODE, "Node.js"),
    (PYTHON, "Python, boto3"),
    (CHALICE, "Chalice"),
];
/// The rows and their titles.
const ROWS: [(Figure, &str); 6] = [
    (Figure::InitWarm, "process start to ready"),
    (Figure::First, "first request"),
    (Figure::FirstThrottled, "first request with 128 MB"),
    (Figure::P50, "a form, median"),
    (Figure::Cpu, "CPU time of a form"),
    (Figure::Memory, "memory"),
];

/// Replaces the table in the README.
pub fn write(figures: &Figures, readme: &Path) -> io::Result<()> {
    let text = fs::read_to_string(readme)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| io::Error::other("the README has no place for the table"))?;
    fs::write(readme, format!("{before}{BEGIN}{}{END}{after}", table(figures)))
}

/// Formats the table, and how long a page takes.
pub fn table(figures: &Figures) -> String {
    let titles = COLUMNS.map(|(_, title)| title).join(" | ");
    let mut text = format!("\n| | {titles} |\n|---{}|\n", "|---".repeat(COLUMNS.len()));
    for (figure, title) in ROWS {
        let cells = COLUMNS.map(|(name, _)| shown(figures.get(name, figure), figure.title().1));
        let _ = writeln!(text, "| {title} | {} |", cells.join(" | "));
    }
    let page = |count| shown(figures.get(&page_of(API, count), Figure::Latency), "ms");
    let (few, many) = (page(1_000), page(1_000_000));
    let _ = writeln!(text, "\nA page of 100 videos takes {few} of a thousand records, {many} of a million.\n");
    text
}
