//! What somebody may have meant who typed a name that is no command.

use super::spec::Command;

/// How many letters may be wrong in a name that is suggested.
const DISTANCE_MAX: usize = 2;

/// Commands that are spelt similarly, or begin with what was typed, by name.
pub(crate) fn suggestions(command: &Command, typed: &str) -> Vec<&'static str> {
    let typed = typed.to_lowercase();
    let similar = |name: &str| distance(&typed, name) <= DISTANCE_MAX || name.starts_with(&typed);
    let names = command.children.iter().map(|child| child.name);
    let mut names: Vec<&str> = names.filter(|name| similar(name)).collect();
    names.sort_unstable();
    names
}

/// How many letters must be inserted, removed or replaced to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A suggestion that is not similar is worse than none.
    #[test]
    fn distances_are_those_of_levenshtein() {
        for (from, to, expected) in [
            ("", "abc", 3),
            ("gt", "get", 1),
            ("l", "del", 2),
            ("put", "get", 2),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }
}
