//! `del`: deletes keys.

use std::time::Duration;

use proto::etcdserverpb::DeleteRangeRequest;

use super::operands::range;
use crate::exit::Exit;
use crate::flags::{Arguments, Command, Flag, Run, group};
use crate::invocation::Invocation;
use crate::print::Answer;
use notation::quote::quote;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "del",
    operands: "[options] <key> [range_end]",
    about: "Deletes a key, or the range of keys [key, range_end)",
    group: group::KEY_VALUE,
    flags: FLAGS,
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// The flags, which operations of a transaction have as well.
pub(super) const FLAGS: &[Flag] = &[
    Flag::switch("prefix", "delete all keys that begin with the key"),
    Flag::switch("from-key", "delete all keys from the key on"),
    Flag::switch("prev-kv", "return the deleted pairs"),
    Flag::switch("range", "delete a range without a warning"),
];

/// How long there is to take back a range that may have been meant as two keys.
const SECOND_THOUGHTS: Duration = Duration::from_secs(2);

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let request = request(&invocation.arguments)?;
    let session = invocation.session()?;
    let answer = session.short_client().await?.delete_range(request).await?;
    session.printer.print(&Answer::Delete(answer))
}

/// Reads the arguments as a request. Two keys without `--range` are warned about, and waited for.
pub(super) fn request(arguments: &Arguments) -> Result<DeleteRangeRequest, Exit> {
    if !(1..=2).contains(&arguments.operands.len()) {
        let message = "del command needs one argument as key and an optional argument as range_end";
        return Err(Exit::bad_arguments(message));
    }
    let (key, range_end) = range(arguments)?;
    if arguments.operands.len() == 2 && !arguments.bool("range") {
        eprintln!(
            "Warning: Keys between {} and {} will be deleted. Interrupt the command within the \
             next 2 seconds to keep them; with `--range` there is no delay.",
            quote(&key),
            quote(&range_end)
        );
        std::thread::sleep(SECOND_THOUGHTS);
    }
    Ok(DeleteRangeRequest {
        key,
        range_end,
        prev_kv: arguments.bool("prev-kv"),
    })
}
