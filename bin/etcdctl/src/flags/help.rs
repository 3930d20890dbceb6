//! Help and usage texts, made from the declarations.

use std::fmt::Write as _;

use super::find::Found;
use super::spec::{Command, Flag, Group, Kind, Run};

/// Columns before the descriptions in a list of commands.
const NAME_WIDTH_MIN: usize = 11;

const GROUPS: [(Group, &str); 5] = [
    (Group::KeyValue, "Key-value commands"),
    (Group::Cluster, "Cluster maintenance commands"),
    (Group::Concurrency, "Concurrency commands"),
    (Group::Authentication, "Authentication commands"),
    (Group::Utility, "Utility commands"),
];

/// The text that `--help` prints.
pub(crate) fn help(found: &Found, program: &str) -> String {
    let command = found.command();
    let details = if command.details.is_empty() {
        command.about
    } else {
        command.details
    };
    let mut out = format!("{}\n\n{}", details.trim_end(), usage(found));
    let _ = writeln!(
        out,
        "Use \"{program} options\" for a list of global command-line options (applies to all commands)."
    );
    out
}

/// The text that follows an error in the flags.
pub(crate) fn usage(found: &Found) -> String {
    let command = found.command();
    let mut out = usage_line(found);
    if !command.children.is_empty() {
        out.push_str(&children(found));
    }
    let help = Flag::switch("help", "").short('h');
    let about = format!("help for {}", command.name);
    if !is_program(found) {
        let own = command.flags.iter().chain(command.inherited);
        let mut rows: Vec<(Flag, &str)> = own.map(|flag| (*flag, flag.help)).collect();
        rows.push((help, &about));
        let _ = write!(out, "\nFlags:\n{}", flag_table(rows));
    }
    let groups = found.path.iter().rev().skip(1).rev().skip(1);
    let inherited = groups.flat_map(|group| group.inherited);
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

/// The global flags, as the command `options` prints them.
pub(crate) fn options(root: &Command) -> String {
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

/// Whether the help is that of the whole program.
fn is_program(found: &Found) -> bool {
    found.path.len() == 1 && !found.command().children.is_empty()
}

fn usage_line(found: &Found) -> String {
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

fn children(found: &Found) -> String {
    let command = found.command();
    let longest = command.children.iter().map(|child| child.name.len()).max();
    let width = longest.unwrap_or_default().max(NAME_WIDTH_MIN);
    let row = |child: &Command| format!("  {:width$} {}\n", child.name, child.about);
    if !is_program(found) {
        let rows: String = sorted(command, |_| true).map(row).collect();
        return format!("\nAvailable Commands:\n{rows}");
    }
    let mut out = String::new();
    for (group, title) in GROUPS {
        let rows: String = sorted(command, |child| child.group == group)
            .map(row)
            .collect();
        let _ = write!(out, "\n{title}\n{rows}");
    }
    out
}

fn sorted(
    command: &Command,
    wanted: impl Fn(&Command) -> bool,
) -> impl Iterator<Item = &'static Command> {
    let mut children: Vec<&Command> = command
        .children
        .iter()
        .filter(|child| wanted(child))
        .collect();
    children.sort_unstable_by_key(|child| child.name);
    children.into_iter()
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
