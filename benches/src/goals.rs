//! The goals: ratios of figures of one run.

use serde::Serialize;

use crate::contestants::{
    API, API_BEFORE, API_VARIANT, EVENTS_OF_ELASTIC_TRANSCODER, FLOOR, HELLO, PUT_ITEM, SDK_FLOOR, SDK_FLOOR_OF_EVENTS,
};
use crate::figures::{Figure, Figures};
use crate::lists::{FILTERS, list_of};
use crate::measure::page_of;
use crate::peers::{CHALICE, NODE, PYTHON};

/// A goal and the ratio that was measured; null where nothing was.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What is compared; a peer's begins with its name.
    pub name: String,
    pub value: Option<f64>,
    pub floor: Option<f64>,
    pub ratio: Option<f64>,
    pub goal: f64,
    pub stretch: f64,
    /// Whether a larger ratio is better.
    #[serde(skip)]
    more_is_better: bool,
    #[serde(skip)]
    pub unit: &'static str,
}

/// A figure of a contestant, or of whatever else the figures know by a name.
type Of<'a> = (&'a str, Figure);

/// Goals and stretch goals.
type Limits = (f64, f64);

/// Returns every goal.
pub fn goals(figures: &Figures) -> Vec<Row> {
    let mut goals = beside_the_floors(figures);
    for (peer, limits) in [
        (NODE, [(Figure::InitWarm, (50.0, 80.0)), (Figure::Cpu, (3.0, 5.0)), (Figure::Memory, (6.0, 8.0))]),
        (PYTHON, [(Figure::ColdStart, (40.0, 60.0)), (Figure::Cpu, (4.0, 6.0)), (Figure::Memory, (6.0, 8.0))]),
        (CHALICE, [(Figure::ColdStart, (60.0, 90.0)), (Figure::Cpu, (6.0, 9.0)), (Figure::Memory, (8.0, 9.0))]),
    ] {
        goals.extend(limits.map(|(figure, limits)| of_peer(figures, peer, figure, limits)));
    }
    goals.extend(beside_itself(figures));
    goals.extend(lists(figures));
    goals.extend(beside_other_builds(figures));
    goals
}

/// Returns how far the physical limits are, which no program on these packages reaches.
pub fn limits(figures: &Figures) -> Vec<Row> {
    let never = (f64::NAN, f64::NAN);
    [
        (Figure::InitWarm, FLOOR),
        (Figure::InitWarm, HELLO),
        (Figure::InitEvicted, HELLO),
        (Figure::Cpu, PUT_ITEM),
        (Figure::Instructions, PUT_ITEM),
        (Figure::Memory, PUT_ITEM),
        (Figure::Zip, HELLO),
    ]
    .map(|(figure, floor)| ratio(figures, &versus(API, floor, figure), (API, figure), (floor, figure), never))
    .into()
}

fn beside_the_floors(figures: &Figures) -> Vec<Row> {
    let sdk =
        |figure, limits| ratio(figures, &versus(API, SDK_FLOOR, figure), (API, figure), (SDK_FLOOR, figure), limits);
    let (events, floor) = ((EVENTS_OF_ELASTIC_TRANSCODER, Figure::Cpu), (SDK_FLOOR_OF_EVENTS, Figure::Cpu));
    let sum = Figure::ColdStart;
    vec![
        sdk(Figure::InitWarm, (1.15, 1.05)),
        sdk(Figure::InitEvicted, (1.15, 1.05)),
        sdk(Figure::First, (1.15, 1.05)),
        sdk(Figure::Cpu, (1.25, 1.1)),
        sdk(Figure::Instructions, (1.25, 1.1)),
        sdk(Figure::Memory, (1.25, 1.1)),
        sdk(Figure::Zip, (1.25, 1.1)),
        ratio(figures, &versus(API, PUT_ITEM, sum), (API, sum), (PUT_ITEM, sum), (1.4, 1.2)),
        ratio(figures, &versus(events.0, floor.0, Figure::Cpu), events, floor, (1.25, 1.1)),
    ]
}

fn of_peer(figures: &Figures, peer: &str, figure: Figure, limits: Limits) -> Row {
    let row = ratio(figures, &versus(peer, "ours", figure), (peer, figure), (API, figure), limits);
    Row { more_is_better: true, ..row }
}

/// Returns what neither a prewarmed process nor a small quota may change.
fn beside_itself(figures: &Figures) -> Vec<Row> {
    let first = (API, Figure::First);
    vec![
        ratio(figures, "first invoke, prewarmed / own warm p50", first, (API, Figure::P50), (3.5, 2.0)),
        ratio(figures, "first invoke at 128 MB quota / unthrottled", (API, Figure::FirstThrottled), first, (1.5, 1.2)),
    ]
}

/// Compares pages of a large table with those of the smallest one whose pages are as full.
fn lists(figures: &Figures) -> Vec<Row> {
    let page = ("/videos page of 100".to_owned(), page_of(API, 1_000_000), page_of(API, 1_000), "1 thousand");
    let filters = FILTERS.iter().filter_map(|filter| {
        let million = list_of(filter, 1_000_000);
        let smaller =
            [(1_000, "1 thousand"), (100_000, "100 thousand")].map(|(count, name)| (list_of(filter, count), name));
        let (floor, size) = smaller.into_iter().find(|(smaller, _)| is_as_full(figures, smaller, &million))?;
        Some((format!("page of 100, {filter}"), million, floor, size))
    });
    [page]
        .into_iter()
        .chain(filters)
        .map(|(name, million, floor, size)| {
            let name = format!("{name}: 1 million / {size} records");
            ratio(figures, &name, (&million, Figure::Latency), (&floor, Figure::Latency), (1.05, 1.02))
        })
        .collect()
}

/// Returns whether a page has about as many items read for it as another; one of far fewer is no floor.
fn is_as_full(figures: &Figures, page: &str, other: &str) -> bool {
    let items = figures.get(page, Figure::Items).zip(figures.get(other, Figure::Items));
    items.is_none_or(|(items, others)| items >= 0.75 * others)
}

/// Returns how this build compares with the one of `--before`, and how that of `--variant` compares with this one.
fn beside_other_builds(figures: &Figures) -> Vec<Row> {
    let kept = (1.0, 0.9);
    let all = [
        Figure::InitWarm,
        Figure::InitEvicted,
        Figure::First,
        Figure::Cpu,
        Figure::Instructions,
        Figure::Memory,
        Figure::Zip,
    ];
    let mut rows = Vec::new();
    for (now, before, page) in [(API, API_BEFORE, (0.5, 0.35)), (API_VARIANT, API, kept)] {
        if [now, before].iter().any(|name| figures.get(name, Figure::Cpu).is_none()) {
            continue;
        }
        let (page_now, page_before) = (page_of(now, 1_000), page_of(before, 1_000));
        let (cpu, name) = (Figure::CpuHttp, format!("{now} / {before}: a page of 100 videos with links, warm CPU"));
        rows.push(ratio(figures, &name, (&page_now, cpu), (&page_before, cpu), page));
        rows.extend(
            all.map(|figure| ratio(figures, &versus(now, before, figure), (now, figure), (before, figure), kept)),
        );
    }
    rows
}

fn versus(name: &str, floor: &str, figure: Figure) -> String {
    format!("{name} / {floor}: {}", figure.title().0)
}

fn ratio(figures: &Figures, name: &str, value: Of, floor: Of, (goal, stretch): Limits) -> Row {
    let unit = value.1.title().1;
    let (value, floor) = (figures.get(value.0, value.1), figures.get(floor.0, floor.1));
    let ratio = value.zip(floor).map(|(value, floor)| value / floor);
    Row { name: name.to_owned(), value, floor, ratio, goal, stretch, more_is_better: false, unit }
}

impl Row {
    /// Formats the ratio.
    pub fn shown_ratio(&self) -> String {
        self.ratio.map_or("not measured".to_owned(), |ratio| format!("{ratio:.2}"))
    }

    /// Returns what was reached.
    pub fn verdict(&self) -> &'static str {
        let reaches = |limit: f64| {
            self.ratio.is_some_and(|ratio| if self.more_is_better { ratio >= limit } else { ratio <= limit })
        };
        match (reaches(self.stretch), reaches(self.goal)) {
            _ if self.ratio.is_none() => "",
            (true, _) => "stretch",
            (false, true) => "goal",
            (false, false) => "missed",
        }
    }
}
