//! Which command a line names: full names first, then unique beginnings.

use bytes::Bytes;

use crate::spec::{Command, Flag, Kind};

/// What a line names.
#[derive(Debug)]
pub struct Found<Body: 'static> {
    /// The commands from the program down to the named one; never empty.
    pub path: Vec<&'static Command<Body>>,
    /// The words that are left: flags and operands.
    pub words: Vec<Bytes>,
}

impl<Body> Found<Body> {
    /// The named command.
    pub fn command(&self) -> &'static Command<Body> {
        // The path begins with the program itself.
        self.path
            .last()
            .copied()
            .unwrap_or(const { &Command::EMPTY })
    }

    /// All flags that the named command accepts.
    pub fn flags(&self) -> Vec<Flag> {
        flags_of(&self.path)
    }

    /// The word that should name a command of the program, and names none.
    pub fn stray(&self) -> Option<String> {
        let at = first_operand(&self.flags(), &self.words)?;
        let is_missing = self.path.len() == 1 && !self.command().children.is_empty();
        is_missing.then(|| String::from_utf8_lossy(&self.words[at]).into_owned())
    }

    /// The names of the path, as they stand in messages.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.path.iter().map(|command| command.name).collect();
        names.join(" ")
    }
}

/// Follows `words` down from `root` as far as they name commands.
pub fn find<Body>(root: &'static Command<Body>, words: Vec<Bytes>) -> Found<Body> {
    let mut found = Found {
        path: vec![root],
        words,
    };
    loop {
        let flags = found.flags();
        let Some(at) = first_operand(&flags, &found.words) else {
            return found;
        };
        let Some(child) = child(found.command(), &found.words[at]) else {
            return found;
        };
        found.words.remove(at);
        found.path.push(child);
    }
}

fn child<Body>(command: &Command<Body>, name: &[u8]) -> Option<&'static Command<Body>> {
    let children = command.children;
    if let Some(exact) = children.iter().find(|child| child.name.as_bytes() == name) {
        return Some(exact);
    }
    let mut starting = children
        .iter()
        .filter(|child| child.name.as_bytes().starts_with(name));
    let only = starting.next()?;
    starting.next().is_none().then_some(only)
}

fn flags_of<Body>(path: &[&'static Command<Body>]) -> Vec<Flag> {
    let own = path.last().into_iter().flat_map(|command| command.flags);
    let inherited = path.iter().flat_map(|command| command.inherited);
    own.chain(inherited).copied().collect()
}

/// The place of the first word that is neither a flag nor a flag's value.
fn first_operand(flags: &[Flag], words: &[Bytes]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let takes_next = match &word[..] {
            b"--" => return None,
            [b'-', b'-', long @ ..] => {
                let flag = flags.iter().find(|flag| flag.name.as_bytes() == long);
                !long.contains(&b'=') && flag.is_none_or(|flag| flag.kind != Kind::Bool)
            }
            [b'-', letter] => {
                let letter = Some(char::from(*letter));
                let flag = flags.iter().find(|flag| flag.short == letter);
                flag.is_some_and(|flag| flag.kind != Kind::Bool)
            }
            [b'-', ..] => false,
            _ => return Some(at),
        };
        at += 1 + usize::from(takes_next);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Command<()> = Command {
        name: "root",
        inherited: &[
            Flag::text("write-out", "", "").short('w'),
            Flag::switch("hex", ""),
        ],
        children: &[
            Command {
                name: "lease",
                children: &[Command {
                    name: "list",
                    ..Command::EMPTY
                }],
                ..Command::EMPTY
            },
            Command {
                name: "lock",
                ..Command::EMPTY
            },
            Command {
                name: "get",
                flags: &[Flag::text("order", "", "")],
                ..Command::EMPTY
            },
        ],
        ..Command::EMPTY
    };

    fn check(line: &str, name: &str, rest: &str) {
        static TREE: Command<()> = ROOT;
        let words = |line: &str| -> Vec<Bytes> {
            line.split(' ')
                .filter(|word| !word.is_empty())
                .map(|word| word.to_owned().into())
                .collect()
        };
        let found = find(&TREE, words(line));
        assert_eq!(
            (found.name().as_str(), found.words),
            (name, words(rest)),
            "{line}"
        );
    }

    /// Abbreviations and flags before the command are in daily use.
    #[test]
    fn commands_are_found_behind_flags_and_by_their_beginning() {
        check("get x", "root get", "x");
        check("-w json get x", "root get", "-w json x");
        check("--hex ge x", "root get", "--hex x");
        check(
            "--write-out=json lea li",
            "root lease list",
            "--write-out=json",
        );
        check("lease -w json list", "root lease list", "-w json");
        check("l x", "root", "l x");
        check("lease nope", "root lease", "nope");
        check("--bogus get x", "root", "--bogus get x");
        check("-- get", "root", "-- get");
        check("get --order lease", "root get", "--order lease");
    }
}
