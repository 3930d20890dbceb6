//! The figures as tables, for a terminal or for a Markdown document.

use crate::options::{Kind, Options, Scenario};
use crate::results::{Metric, Results};

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
enum Goal {
    /// The ratio of ours to the reference is at most this.
    Ratio(f64),
    /// Our own figure is at least this.
    AtLeast(f64),
}

/// What must be shown.
const GOALS: [(Scenario, Metric, &str, Goal); 9] = [
    (
        Scenario::Put,
        Metric::CpuMicros,
        "CPU a put, µs",
        Goal::Ratio(0.33),
    ),
    (
        Scenario::Get,
        Metric::CpuMicros,
        "CPU a linearizable get, µs",
        Goal::Ratio(0.33),
    ),
    (
        Scenario::Empty,
        Metric::Resident,
        "resident memory without keys, MB",
        Goal::Ratio(0.6),
    ),
    (
        Scenario::Memory,
        Metric::Resident,
        "resident memory with all keys, MB",
        Goal::Ratio(0.4),
    ),
    (
        Scenario::Page,
        Metric::CpuMicros,
        "CPU of the first page of 500 with count, µs",
        Goal::Ratio(0.05),
    ),
    (
        Scenario::Start,
        Metric::Seconds,
        "start after kill -9, s",
        Goal::Ratio(0.5),
    ),
    (
        Scenario::Start,
        Metric::CpuSeconds,
        "CPU of that start, s",
        Goal::Ratio(0.5),
    ),
    (
        Scenario::Single,
        Metric::P50,
        "one put at a time, p50, µs",
        Goal::Ratio(1.0),
    ),
    (
        Scenario::Many,
        Metric::Throughput,
        "puts a second, 1,000 clients",
        Goal::AtLeast(20_000.0),
    ),
];

/// The columns of the table of loads.
const COLUMNS: [(Metric, &str); 8] = [
    (Metric::Throughput, "op/s"),
    (Metric::CpuMicros, "CPU µs/op"),
    (Metric::P50, "p50 µs"),
    (Metric::P99, "p99 µs"),
    (Metric::P999, "p99.9 µs"),
    (Metric::WrittenBytes, "written B/op"),
    (Metric::Resident, "RSS MB"),
    (Metric::Anonymous, "of it anonymous"),
];

/// Both tables.
pub(crate) fn render(results: &Results, options: &Options) -> String {
    let head = format!(
        "{} keys of 32 B with values of 256 B where a full store is measured; {} s a load; medians of {} rounds\n\n",
        options.keys, options.seconds, options.rounds
    );
    let goals = lay_out(&goals(results), options.markdown);
    let loads = lay_out(&loads(results), options.markdown);
    format!("{head}{goals}\n{loads}")
}

fn goals(results: &Results) -> Vec<Vec<String>> {
    let mut rows = vec![words(["what", "ours", "etcd", "ratio", "goal", "holds"])];
    for (scenario, metric, title, goal) in GOALS {
        let of = |kind| results.median(scenario, kind, metric);
        let (ours, theirs) = (of(Kind::Ours), of(Kind::Reference));
        if ours.is_none() && theirs.is_none() {
            continue;
        }
        let ratio = ratio(ours, theirs);
        let (goal, holds) = match goal {
            Goal::Ratio(most) => (format!("≤ {most}"), ratio.map(|ratio| ratio <= most)),
            Goal::AtLeast(least) => (format!("≥ {least}"), ours.map(|ours| ours >= least)),
        };
        let holds = holds.map_or("", |holds| if holds { "yes" } else { "no" });
        rows.push(vec![
            title.to_owned(),
            figure(metric, ours),
            figure(metric, theirs),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            goal,
            holds.to_owned(),
        ]);
    }
    rows
}

fn loads(results: &Results) -> Vec<Vec<String>> {
    let mut head = words(["load", "server"]);
    head.extend(words(COLUMNS.map(|(_, title)| title)));
    let mut rows = vec![head];
    for (scenario, kind) in results.runs() {
        let name = match kind {
            Kind::Ours => "ours",
            Kind::Reference => "etcd",
        };
        let mut row = words([scenario.title(), name]);
        row.extend(
            COLUMNS.map(|(metric, _)| figure(metric, results.median(scenario, kind, metric))),
        );
        rows.push(row);
    }
    rows
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> Option<f64> {
    let ratio = ours? / theirs?;
    ratio.is_finite().then_some(ratio)
}

/// A figure in the unit of its column.
fn figure(metric: Metric, value: Option<f64>) -> String {
    let Some(value) = value else {
        return String::new();
    };
    match metric {
        Metric::Resident | Metric::Anonymous => format!("{:.1}", value / 1e6),
        Metric::Seconds | Metric::CpuSeconds | Metric::LoadShare => format!("{value:.2}"),
        Metric::CpuMicros | Metric::P50 | Metric::P99 | Metric::P999 if value < 1000.0 => {
            format!("{value:.1}")
        }
        _ => format!("{value:.0}"),
    }
}

/// Puts cells under each other; the first row is the head.
fn lay_out(rows: &[Vec<String>], is_markdown: bool) -> String {
    let columns = rows[0].len();
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter()
                .map(|row| row[at].chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    let (edge, gap) = if is_markdown {
        ("|", " | ")
    } else {
        ("", "  ")
    };
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let line = format!("{edge} {} {edge}", cells.join(gap));
        text.push_str(line.trim());
        text.push('\n');
        if number == 0 && is_markdown {
            text.push('|');
            text.push_str(&" --- |".repeat(columns));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that a document shows as plain text is of no use to its reader.
    #[test]
    fn markdown_has_a_rule_below_its_head() {
        let rows = vec![words(["a", "long"]), words(["1", "2"])];
        assert_eq!(
            lay_out(&rows, true),
            "| a | long |\n| --- | --- |\n| 1 | 2    |\n"
        );
        assert_eq!(lay_out(&rows, false), "a  long\n1  2\n");
    }
}
