//! `options`: the flags that every command takes.

use crate::exit::Exit;
use crate::flags::{self, Command, Run, group};
use crate::invocation::Invocation;
use crate::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "options",
    about: "Shows the flags that every command takes",
    group: group::UTILITY,
    run: Run::Do(|invocation| Box::pin(async move { run(&invocation) })),
    ..Command::EMPTY
};

fn run(invocation: &Invocation) -> Result<(), Exit> {
    print::write(flags::options(invocation.root).as_bytes())
}
