//! The table format, for lists of members and endpoints.

use std::fmt::Write as _;

use super::Unsupported;
use super::answer::Answer;
use super::simple::{endpoint, member};
use crate::text::duration;

/// Writes an answer as a table.
pub(super) fn render(answer: &Answer) -> Result<Vec<u8>, Unsupported> {
    let table = match answer {
        Answer::MemberList(list) => draw(
            &[
                "id",
                "status",
                "name",
                "peer addrs",
                "client addrs",
                "is learner",
            ],
            &list.members.iter().map(member).collect::<Vec<_>>(),
        ),
        Answer::Health(list) => {
            let rows = list.iter().map(|health| {
                let took = duration::format(health.took);
                let healthy = health.error.is_empty().to_string();
                vec![health.endpoint.clone(), healthy, took, health.error.clone()]
            });
            draw(
                &["endpoint", "health", "took", "error"],
                &rows.collect::<Vec<_>>(),
            )
        }
        Answer::Status(list) => draw(
            &[
                "endpoint",
                "id",
                "version",
                "storage version",
                "db size",
                "in use",
                "percentage not in use",
                "quota",
                "is leader",
                "is learner",
                "raft term",
                "raft index",
                "raft applied index",
                "errors",
                "downgrade target version",
                "downgrade enabled",
            ],
            &list.iter().map(endpoint).collect::<Vec<_>>(),
        ),
        Answer::HashKv(list) => {
            let rows = list.iter().map(|of| {
                let hash = &of.answer;
                vec![
                    of.endpoint.clone(),
                    hash.hash.to_string(),
                    hash.hash_revision.to_string(),
                ]
            });
            draw(
                &["endpoint", "hash", "hash revision"],
                &rows.collect::<Vec<_>>(),
            )
        }
        _ => return Err(Unsupported::Format("table")),
    };
    Ok(table.into_bytes())
}

/// Draws a table: the head centred in capitals, the cells to the right, without blanks at their
/// ends.
fn draw(head: &[&str], rows: &[Vec<String>]) -> String {
    let trimmed = |row: &Vec<String>| row.iter().map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(trimmed).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| columns(cell)).max();
        widest.unwrap_or_default().max(head[column].len())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = rule(&widths, ['┌', '┬', '┐']);
    let head: Vec<String> = head
        .iter()
        .zip(&widths)
        .map(|(text, width)| format!("{:^width$}", text.to_uppercase()))
        .collect();
    out.push_str(&row(&head));
    if !rows.is_empty() {
        out.push_str(&rule(&widths, ['├', '┼', '┤']));
    }
    for cells in rows {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(text, width)| format!("{:blank$}{text}", "", blank = width - columns(text)))
            .collect();
        out.push_str(&row(&cells));
    }
    out.push_str(&rule(&widths, ['└', '┴', '┘']));
    out
}

fn rule(widths: &[usize], [left, middle, right]: [char; 3]) -> String {
    let mut out = String::new();
    for (at, width) in widths.iter().enumerate() {
        out.push(if at == 0 { left } else { middle });
        out.extend(std::iter::repeat_n('─', width + 2));
    }
    out.push(right);
    out.push('\n');
    out
}

fn row(cells: &[String]) -> String {
    let mut out = String::new();
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(out, "│ {cell} ");
    }
    out.push_str("│\n");
    out
}

fn columns(text: &str) -> usize {
    text.chars().count()
}
