//! Help and usage texts, made from the declarations.

use std::fmt::Write as _;

use crate::find::Found;
use crate::spec::{Command, Flag, Kind, Run};

/// Columns before the descriptions in a list of commands.
const NAME_WIDTH_MIN: usize = 11;

/// The text that `--help` prints.
pub fn help<Body>(found: &Found<Body>) -> String {
    let command = found.command();
    let details = if command.details.is_empty() {
        command.about
    } else {
        command.details
    };
    let mut out = format!("{}\n\n{}", details.trim_end(), usage(found));
    if lists_options_apart(found) {
        let program = found.path[0].name;
        let _ = writeln!(
            out,
            "Use \"{program} options\" for a list of global command-line options (applies to all commands)."
        );
    }
    out
}

/// The text that follows an error in the flags.
pub fn usage<Body>(found: &Found<Body>) -> String {
    let command = found.command();
    let is_apart = lists_options_apart(found);
    let mut out = usage_line(found);
    if !command.children.is_empty() {
        out.push_str(&children(found));
    }
    let help = Flag::switch("help", "").short('h');
    let about = format!("help for {}", command.name);
    let is_program = found.path.len() == 1;
    if !(is_program && is_apart) {
        let own = command.flags.iter().chain(command.inherited);
        let mut rows: Vec<(Flag, &str)> = own.map(|flag| (*flag, flag.help)).collect();
        rows.push((help, &about));
        let _ = write!(out, "\nFlags:\n{}", flag_table(rows));
    }
    let above = &found.path[..found.path.len() - 1];
    let inherited = above
        .iter()
        .skip(usize::from(is_apart))
        .flat_map(|group| group.inherited);
    let rows: Vec<(Flag, &str)> = inherited.map(|flag| (*flag, flag.help)).collect();
    if !rows.is_empty() {
        let _ = write!(out, "\nGlobal Flags:\n{}", flag_table(rows));
    }
    if !command.children.is_empty() {
        let name = found.name();
        let _ = writeln!(
            out,
            "\nUse \"{name} [command] --help\" for more information about a command."
        );
    }
    out
}

/// A program with a command `options` shows there what all commands take, and nowhere else.
fn lists_options_apart<Body>(found: &Found<Body>) -> bool {
    let program = found.path.first();
    program.is_some_and(|program| program.children.iter().any(|child| child.name == "options"))
}

/// The global flags, as the command `options` prints them.
pub fn options<Body>(root: &Command<Body>) -> String {
    let rows = root
        .inherited
        .iter()
        .map(|flag| (*flag, flag.help))
        .collect();
    format!(
        "The following options can be passed to any command:\n\n{}",
        flag_table(rows)
    )
}

fn usage_line<Body>(found: &Found<Body>) -> String {
    let command = found.command();
    let name = found.name();
    match command.run {
        Run::Help => format!("Usage:\n  {name} [command]\n"),
        Run::Do(_) if command.operands.is_empty() => format!("Usage:\n  {name} [flags]\n"),
        // One usage line names the shells and nothing else.
        Run::Do(_) if command.operands.starts_with("[bash") => {
            format!("Usage:\n  {name} {}\n", command.operands)
        }
        Run::Do(_) => format!("Usage:\n  {name} {} [flags]\n", command.operands),
    }
}

/// The sub-commands by name, under their headings in the order of the declaration.
fn children<Body>(found: &Found<Body>) -> String {
    let command = found.command();
    let longest = command.children.iter().map(|child| child.name.len()).max();
    let width = longest.unwrap_or_default().max(NAME_WIDTH_MIN);
    let mut headings: Vec<&str> = Vec::new();
    for child in command.children {
        if !headings.contains(&child.group) {
            headings.push(child.group);
        }
    }
    let mut out = String::new();
    for heading in headings {
        let group = command
            .children
            .iter()
            .filter(|child| child.group == heading);
        let mut group: Vec<_> = group.collect();
        group.sort_unstable_by_key(|child| child.name);
        let heading = match heading {
            "" => "Available Commands:",
            heading => heading,
        };
        let _ = writeln!(out, "\n{heading}");
        for child in group {
            let _ = writeln!(out, "  {:width$} {}", child.name, child.about);
        }
    }
    out
}

fn flag_table(mut rows: Vec<(Flag, &str)>) -> String {
    rows.sort_unstable_by_key(|(flag, _)| flag.name);
    let left: Vec<String> = rows.iter().map(|(flag, _)| left_column(flag)).collect();
    let width = left.iter().map(String::len).max().unwrap_or_default();
    let mut out = String::new();
    for ((flag, about), left) in rows.iter().zip(&left) {
        let _ = writeln!(out, "{left:width$}   {about}{}", shown_default(flag));
    }
    out
}

fn left_column(flag: &Flag) -> String {
    let short = flag
        .short
        .map_or("   ".to_owned(), |letter| format!("-{letter},"));
    let kind = match flag.kind {
        Kind::Bool => "",
        Kind::Int => " int",
        Kind::Uint => " uint",
        Kind::Uint32 => " uint32",
        Kind::Text => " string",
        Kind::Duration => " duration",
        Kind::List => " strings",
    };
    format!("  {short} --{}{kind}", flag.name)
}

/// The default, unless it is the kind's zero.
fn shown_default(flag: &Flag) -> String {
    match (flag.kind, flag.default) {
        (_, "" | "false" | "0" | "0s") if flag.kind != Kind::Text => String::new(),
        (_, "") => String::new(),
        (Kind::Text, text) => format!(" (default \"{text}\")"),
        (Kind::List, list) => format!(" (default [{list}])"),
        (_, value) => format!(" (default {value})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::find;

    const LIST: Command<()> = Command {
        name: "list",
        operands: "<prefix>",
        about: "lists things",
        flags: &[Flag::text("order", "up", "which comes first")],
        run: Run::Do(()),
        ..Command::EMPTY
    };
    const PROGRAM: Command<()> = Command {
        name: "tool",
        about: "A tool.",
        inherited: &[Flag::of("wait", Kind::Duration, "1s", "how long")],
        children: &[LIST],
        ..Command::EMPTY
    };

    /// People look for flags where they stand in the texts of other programs.
    #[test]
    fn texts() {
        static ROOT: Command<()> = PROGRAM;
        let program = "Usage:\n  tool [command]\n\nAvailable Commands:\n  list        lists things\n\n\
                       Flags:\n  -h, --help            help for tool\n      --wait duration   how \
                       long (default 1s)\n\nUse \"tool [command] --help\" for more information about \
                       a command.\n";
        assert_eq!(usage(&find(&ROOT, Vec::new())), program);
        assert_eq!(
            help(&find(&ROOT, Vec::new())),
            format!("A tool.\n\n{program}")
        );
        let list = "Usage:\n  tool list <prefix> [flags]\n\nFlags:\n  -h, --help           help for \
                    list\n      --order string   which comes first (default \"up\")\n\nGlobal \
                    Flags:\n      --wait duration   how long (default 1s)\n";
        assert_eq!(usage(&find(&ROOT, vec!["list".into()])), list);
    }
}
