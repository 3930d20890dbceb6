//! `help`: what `--help` shows, of any command.

use crate::exit::Exit;
use crate::flags::{self, Command, Run, group};
use crate::invocation::Invocation;
use crate::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "help",
    operands: "[command]",
    about: "Shows the help of a command",
    group: group::UTILITY,
    run: Run::Do(|invocation| Box::pin(async move { run(&invocation) })),
    ..Command::EMPTY
};

fn run(invocation: &Invocation) -> Result<(), Exit> {
    let root = invocation.root;
    let found = flags::find(root, invocation.arguments.operands.clone());
    if found.path.len() == 1 && !found.words.is_empty() {
        let topic = invocation.arguments.operand(0).unwrap_or_default();
        eprint!("Unknown help topic [`{topic}`]\n{}", flags::usage(&found));
        return Ok(());
    }
    print::write(flags::help(&found).as_bytes())
}
