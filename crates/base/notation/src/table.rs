//! Tables as etcd's tools draw them: a frame, centred heads in capitals, cells to the right without
//! blanks at their ends.

/// The table with a line break at its end.
#[must_use]
pub fn render(heads: &[&str], rows: &[Vec<String>]) -> String {
    let trimmed = |row: &Vec<String>| row.iter().map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(trimmed).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(heads[column].chars().count())
        })
        .collect();
    let mut text = rule(&widths, ['┌', '┬', '┐']);
    // A centred head with an odd blank has it on its right.
    let heads = heads.iter().zip(&widths);
    text += &line(heads.map(|(head, width)| format!("{:^width$}", head.to_uppercase())));
    if !rows.is_empty() {
        text += &rule(&widths, ['├', '┼', '┤']);
    }
    for row in rows {
        let cells = row.iter().zip(&widths);
        text += &line(cells.map(|(cell, width)| format!("{cell:>width$}")));
    }
    text + &rule(&widths, ['└', '┴', '┘'])
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("│ {} │\n", cells.join(" │ "))
}

fn rule(widths: &[usize], [left, middle, right]: [char; 3]) -> String {
    let parts: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
    format!("{left}{}{right}\n", parts.join(&middle.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// People compare this output with what they are used to.
    #[test]
    fn looks_like_etcds() {
        let rows = [["8e9e05c52164694d", "started", " n1 "]
            .map(str::to_owned)
            .to_vec()];
        assert_eq!(
            render(&["id", "status", "name"], &rows),
            "┌──────────────────┬─────────┬──────┐\n\
             │        ID        │ STATUS  │ NAME │\n\
             ├──────────────────┼─────────┼──────┤\n\
             │ 8e9e05c52164694d │ started │   n1 │\n\
             └──────────────────┴─────────┴──────┘\n"
        );
        assert_eq!(render(&["id"], &[]), "┌────┐\n│ ID │\n└────┘\n");
    }
}
