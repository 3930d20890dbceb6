//! `compaction`: forgets history.

use proto::etcdserverpb::CompactionRequest;

use super::operands::only;
use crate::exit::Exit;
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::Invocation;
use crate::print;
use notation::number;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "compaction",
    operands: "[options] <revision>",
    about: "Forgets the history before a revision",
    group: group::KEY_VALUE,
    flags: &[Flag::switch(
        "physical",
        "return only when the member has removed the history",
    )],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let text = only(arguments, "compaction command needs 1 argument")?;
    let revision = number::parse_int(&text, 10).map_err(|error| Exit::error(error.to_string()))?;
    let physical = arguments.bool("physical");
    let client = invocation.session()?.short_client().await?;
    client
        .compact(CompactionRequest { revision, physical })
        .await?;
    print::line(&format!("compacted revision {revision}"))
}
