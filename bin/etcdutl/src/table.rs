//! Tables in the style of etcdutl: a frame, centred heads, cells to the right.

/// The table with a line break at its end.
pub(crate) fn render(heads: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(heads[column].chars().count())
        })
        .collect();
    let mut text = rule(&widths, '┌', '┬', '┐');
    // A centred head with an odd blank has it on its right.
    text += &line(
        heads
            .iter()
            .zip(&widths)
            .map(|(head, width)| format!("{head:^width$}")),
    );
    text += &rule(&widths, '├', '┼', '┤');
    for row in rows {
        text += &line(
            row.iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:>width$}")),
        );
    }
    text + &rule(&widths, '└', '┴', '┘')
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("│ {} │\n", cells.join(" │ "))
}

fn rule(widths: &[usize], left: char, middle: char, right: char) -> String {
    let parts: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
    format!("{left}{}{right}\n", parts.join(&middle.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// People compare this output with what they are used to.
    #[test]
    fn looks_like_etcdutl() {
        let rows = [["8e9e05c52164694d", "started", "n1"]
            .map(str::to_owned)
            .to_vec()];
        assert_eq!(
            render(&["ID", "STATUS", "NAME"], &rows),
            "┌──────────────────┬─────────┬──────┐\n\
             │        ID        │ STATUS  │ NAME │\n\
             ├──────────────────┼─────────┼──────┤\n\
             │ 8e9e05c52164694d │ started │   n1 │\n\
             └──────────────────┴─────────┴──────┘\n"
        );
    }
}
