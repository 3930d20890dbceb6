//! `watch`: shows changes as they happen, and runs programs for them.

mod interactive;
mod request;
mod show;

use crate::exit::{BAD_ARGUMENTS, Exit, INTERRUPTED};
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::Invocation;

use self::request::{Environment, Plan};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "watch",
    operands: "[options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
    about: "Shows changes of keys as they happen",
    group: group::KEY_VALUE,
    flags: FLAGS,
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

const FLAGS: &[Flag] = &[
    Flag::switch("interactive", "read watches from stdin").short('i'),
    Flag::switch("prefix", "watch all keys that begin with the key"),
    Flag::int("rev", "0", "revision to start at"),
    Flag::switch("prev-kv", "show the pair before each change as well"),
    Flag::switch(
        "progress-notify",
        "ask the member for progress reports now and then",
    ),
];

async fn run(invocation: Invocation) -> Result<(), Exit> {
    if invocation.arguments.bool("interactive") {
        return interactive::run(&invocation).await;
    }
    let plan = Plan::new(&invocation.arguments, &Environment::read())?;
    let session = invocation.session()?;
    let watcher = session.client().await?.watcher(true);
    let watch = watcher.watch(plan.request).await;
    show::show(session.printer, watch, &plan.command).await?;
    Err(Exit::new(INTERRUPTED, "watch is canceled by the server"))
}

fn bad(message: impl Into<String>) -> Exit {
    Exit::new(BAD_ARGUMENTS, message)
}
