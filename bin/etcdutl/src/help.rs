//! `help`: how a command is used.

use crate::cli::{Arguments, Command, ROOT, Run};
use crate::failure::Failure;
use crate::run::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "help",
    operands: "[command]",
    about: "Shows how a command is used",
    run: Run::Do(run),
    ..Command::EMPTY
};

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let found = command::find(const { &ROOT }, arguments.operands.clone());
    let usage = command::usage(&found);
    if found.path.len() == 1 && !found.words.is_empty() {
        let topics: Vec<String> = found
            .words
            .iter()
            .map(|word| format!("`{}`", String::from_utf8_lossy(word)))
            .collect();
        eprint!("Unknown help topic [{}]\n{usage}", topics.join(" "));
        return Ok(());
    }
    print(&usage)
}
