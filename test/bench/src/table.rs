//! The figures as tables, for a terminal or for a Markdown document.

use crate::options::{Kind, Options};
use crate::results::{Metric, Results};

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// The ratio of ours to the reference is at most this.
    Ratio(f64),
    /// Our own figure is at least this.
    AtLeast(f64),
    /// Our own figure is at most so many times that of another, calm load.
    TimesCalm(&'static str, f64),
}

/// A figure that must be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) load: &'static str,
    pub(crate) metric: Metric,
    /// What the table calls the figure.
    pub(crate) title: &'static str,
    pub(crate) goal: Goal,
}

/// The columns of the table of loads.
const COLUMNS: [(Metric, &str); 10] = [
    (Metric::Throughput, "op/s"),
    (Metric::CpuMicros, "CPU µs/op"),
    (Metric::P50, "p50 µs"),
    (Metric::P99, "p99 µs"),
    (Metric::P999, "p99.9 µs"),
    (Metric::WrittenBytes, "written B/op"),
    (Metric::Resident, "RSS MB"),
    (Metric::Anonymous, "of it anonymous"),
    (Metric::Seconds, "s"),
    (Metric::CpuSeconds, "CPU s"),
];

/// Both tables of a suite.
pub(crate) fn render(head: &str, rows: &[Row], results: &Results, options: &Options) -> String {
    let goals = lay_out(&goals(rows, results), options.markdown);
    let loads = lay_out(&loads(results), options.markdown);
    format!("{head}\n\n{goals}\n{loads}")
}

fn goals(rows: &[Row], results: &Results) -> Vec<Vec<String>> {
    let mut cells = vec![words(["what", "ours", "etcd", "ratio", "goal", "holds"])];
    for row in rows {
        let of = |kind| results.median(row.load, kind, row.metric);
        let (ours, theirs) = (of(Kind::Ours), of(Kind::Reference));
        if ours.is_none() && theirs.is_none() {
            continue;
        }
        let show = |value| figure(row.metric, value);
        let [ours, theirs, ratio, goal, holds] = match row.goal {
            Goal::Ratio(most) => {
                let ratio = ratio(ours, theirs);
                let holds = ratio.map(|ratio| ratio <= most);
                [
                    show(ours),
                    show(theirs),
                    plain(ratio),
                    format!("≤ {most}"),
                    answer(holds),
                ]
            }
            Goal::AtLeast(least) => {
                let (ratio, holds) = (ratio(ours, theirs), ours.map(|ours| ours >= least));
                [
                    show(ours),
                    show(theirs),
                    plain(ratio),
                    format!("≥ {least}"),
                    answer(holds),
                ]
            }
            Goal::TimesCalm(calm, most) => {
                let calm = |kind| results.median(calm, kind, row.metric);
                let (ours, theirs) = (
                    ratio(ours, calm(Kind::Ours)),
                    ratio(theirs, calm(Kind::Reference)),
                );
                let (ratio, holds) = (ratio(ours, theirs), ours.map(|ours| ours <= most));
                [
                    plain(ours),
                    plain(theirs),
                    plain(ratio),
                    format!("≤ {most}"),
                    answer(holds),
                ]
            }
        };
        cells.push(vec![row.title.to_owned(), ours, theirs, ratio, goal, holds]);
    }
    cells
}

fn plain(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"))
}

fn answer(holds: Option<bool>) -> String {
    let word = holds.map(|holds| if holds { "yes" } else { "no" });
    word.unwrap_or_default().to_owned()
}

fn loads(results: &Results) -> Vec<Vec<String>> {
    let columns = COLUMNS.into_iter().filter(|&(metric, _)| {
        let mut runs = results.runs();
        runs.any(|(title, kind)| results.median(title, kind, metric).is_some())
    });
    let columns: Vec<_> = columns.collect();
    let mut head = words(["load", "server"]);
    head.extend(columns.iter().map(|(_, title)| (*title).to_owned()));
    let mut rows = vec![head];
    for (title, kind) in results.runs() {
        let name = match kind {
            Kind::Ours => "ours",
            Kind::Reference => "etcd",
        };
        let mut row = words([title, name]);
        let figures = columns
            .iter()
            .map(|&(metric, _)| figure(metric, results.median(title, kind, metric)));
        row.extend(figures);
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
