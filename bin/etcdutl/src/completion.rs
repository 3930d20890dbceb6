//! `completion`: scripts that teach a shell our commands.

use crate::cli::{Arguments, Command, ROOT, Run, only_operand};
use crate::failure::Failure;
use crate::run::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "completion",
    operands: "[bash|zsh|fish|powershell]",
    about: "Prints a completion script for a shell",
    run: Run::Do(run),
    ..Command::EMPTY
};

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let shell = only_operand(arguments)?;
    let refused = || {
        Failure::usage(format!(
            "invalid argument {shell:?} for \"etcdutl completion\""
        ))
    };
    let script = command::script(&ROOT, &shell).ok_or_else(refused)?;
    let script = String::from_utf8_lossy(&script);
    match shell.as_str() {
        // It wants its `#compdef` on the first line.
        "zsh" => print(&script),
        _ => print(&format!("# {shell} completion for etcdutl\n{script}")),
    }
}
