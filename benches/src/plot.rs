//! The README's picture: cold start and cost beside the same form in other languages, as SVG that is readable in light
//! and in dark.

use std::fmt::Write;

use crate::contestants::API;
use crate::figures::{Figure, Figures};
use crate::peers::{CHALICE, NODE, PYTHON};
use crate::report::shown;

/// One bar each, ours first.
const BARS: [(&str, &str); 4] =
    [(API, "video-api, Rust"), (NODE, "Node.js"), (PYTHON, "Python, boto3"), (CHALICE, "Python, Chalice")];
/// One column of bars each: a figure, its title and what it means.
const PANELS: [(Figure, &str, &str); 3] = [
    (Figure::ColdStart, "Cold start", "process start to first response"),
    (Figure::Cpu, "CPU", "per request, warm"),
    (Figure::Memory, "Memory", "peak resident set"),
];

const WIDTH: f64 = 800.0;
const LEFT: f64 = 132.0;
const PANEL: f64 = 216.0;
/// The longest bar; the rest of its panel is for the number behind it.
const LONGEST: f64 = 124.0;
/// The shortest, so that it can be seen.
const SHORTEST: f64 = 3.0;
const TOP: f64 = 92.0;
const ROW: f64 = 32.0;
const BAR: f64 = 18.0;

const STYLE: &str = "\
svg { font-family: -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif; font-size: 13px }
.paper { fill: #ffffff; stroke: #d1d9e0 }
.title { font-size: 15px; font-weight: 600 }
.head { font-weight: 600 }
text { fill: #1f2328 }
.soft { fill: #59636e; font-size: 12px }
.ours { fill: #b7410e }
.peer { fill: #818b98 }
.axis { stroke: #818b98 }
.strong { font-weight: 600 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; stroke: #3d444d }
text { fill: #f0f6fc }
.soft { fill: #9198a1 }
.ours { fill: #f0803c }
.peer { fill: #656c76 }
.axis { stroke: #656c76 }
}
";

/// Draws the picture.
pub fn svg(figures: &Figures, machine: &str) -> String {
    let bottom = TOP + ROW * 4.0;
    let height = bottom + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">Cold start, CPU and memory of one upload form, by language</title>\n\
         <desc id=\"description\">{}</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"16\" y=\"30\">What an upload form takes: less is better</text>\n",
        description(figures),
        WIDTH - 1.0,
        height - 1.0,
    );
    for (row, (_, label)) in (0_u8..).zip(BARS) {
        let class = if row == 0 { "strong" } else { "peer-name" };
        let y = row_of(row) + BAR - 4.5;
        let _ =
            writeln!(svg, "<text class=\"{class}\" x=\"{}\" y=\"{y}\" text-anchor=\"end\">{label}</text>", LEFT - 10.0);
    }
    for (column, panel) in (0_u8..).zip(PANELS) {
        svg += &draw(figures, LEFT + PANEL * f64::from(column), panel);
    }
    let _ = writeln!(
        svg,
        "<text class=\"soft\" x=\"16\" y=\"{}\">Medians on loopback, one core of {}</text>",
        bottom + 24.0,
        escape(machine)
    );
    svg + "</svg>\n"
}

/// Draws one figure of every contestant; the number behind a peer's bar says how many times ours it is.
fn draw(figures: &Figures, x: f64, (figure, title, meaning): (Figure, &str, &str)) -> String {
    let unit = figure.title().1;
    let values = BARS.map(|(name, _)| figures.get(name, figure));
    let most = values.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = format!(
        "<text class=\"head\" x=\"{x}\" y=\"{}\">{title}</text>\n\
         <text class=\"soft\" x=\"{x}\" y=\"{}\">{meaning}</text>\n\
         <line class=\"axis\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{}\"/>\n",
        TOP - 30.0,
        TOP - 13.0,
        TOP - 3.0,
        TOP + ROW * 4.0 - 7.0,
    );
    for (row, value) in (0_u8..).zip(values) {
        let (y, length) = (row_of(row), value.unwrap_or(0.0) / most * LONGEST);
        let (bar, number) = if row == 0 { ("ours", "strong") } else { ("peer", "number") };
        let times = value
            .zip(values[0])
            .filter(|_| row > 0)
            .map_or(String::new(), |(value, ours)| format!(" <tspan class=\"soft\">{}×</tspan>", times(value / ours)));
        let _ = writeln!(
            svg,
            "<rect class=\"{bar}\" x=\"{x}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\"/>\n\
             <text class=\"{number}\" x=\"{:.1}\" y=\"{}\">{}{times}</text>",
            length.max(SHORTEST),
            x + length.max(SHORTEST) + 6.0,
            y + BAR - 4.5,
            shown(value, unit),
        );
    }
    svg
}

/// Says the same in words.
fn description(figures: &Figures) -> String {
    let panels = PANELS.map(|(figure, title, meaning)| {
        let of =
            |(name, label): (&str, &str)| format!("{label} {}", shown(figures.get(name, figure), figure.title().1));
        format!("{title} ({meaning}): {}.", BARS.map(of).join(", "))
    });
    panels.join(" ")
}

fn row_of(row: u8) -> f64 {
    TOP + ROW * f64::from(row)
}

/// Formats a ratio: a single digit has a decimal.
fn times(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_has_a_bar_of_each_figure_and_a_number_behind_it() {
        let mut figures = Figures::default();
        for (place, (name, _)) in (1_u8..).zip(BARS) {
            for (figure, _, _) in PANELS {
                figures.add(name, figure, f64::from(place) * 12.0);
            }
        }
        let svg = svg(&figures, "a machine with < and &");
        assert_eq!(svg.matches("class=\"ours\"").count(), PANELS.len());
        assert_eq!(svg.matches("class=\"peer\"").count(), PANELS.len() * (BARS.len() - 1));
        assert_eq!(svg.matches("12.0 ms</text>").count(), 1);
        assert_eq!(svg.matches("48.0 ms <tspan class=\"soft\">4.0×</tspan>").count(), 1);
        assert!(svg.contains("a machine with &lt; and &amp;"));
    }
}
