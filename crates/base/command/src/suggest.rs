//! What somebody may have meant who typed a name that is no command.

use notation::quote::quote;

use crate::find::Found;
use crate::spec::Command;

/// How many letters may be wrong in a name that is suggested.
const DISTANCE_MAX: usize = 2;

/// The sentences that answer a word which names no command of the program.
pub fn unknown_command<Body>(found: &Found<Body>, name: &str) -> String {
    let mut message = format!(
        "unknown command {} for {}",
        quote(name),
        quote(found.name())
    );
    let similar = suggestions(found.command(), name);
    if !similar.is_empty() {
        message.push_str("\n\nDid you mean this?\n");
        for name in similar {
            message.push_str(&format!("\t{name}\n"));
        }
    }
    message
}

/// Commands that are spelt similarly, or begin with what was typed, by name.
fn suggestions<Body>(command: &Command<Body>, typed: &str) -> Vec<&'static str> {
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
