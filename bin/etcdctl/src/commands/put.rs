//! `put`: one key and its value.

use std::io::Read as _;

use bytes::Bytes;
use proto::etcdserverpb::PutRequest;

use super::operands::lease_id;
use crate::exit::Exit;
use crate::flags::{Arguments, Command, Flag, Run, group};
use crate::invocation::Invocation;
use crate::print::Answer;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "put",
    operands: "[options] <key> <value> (<value> can also be given from stdin)",
    about: "Puts a key with a value into the store",
    details: "Puts a key with a value into the store.

A value that is not on the command line is read from stdin, as it is:
  cat file | etcdctl put <key>

A value that begins with '-' would be taken for a flag. Write '--' in front of it:
  etcdctl put <key> -- <value>
  etcdctl put -- <key> <value>",
    group: group::KEY_VALUE,
    flags: FLAGS,
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// The flags, which operations of a transaction have as well.
pub(super) const FLAGS: &[Flag] = &[
    Flag::text(
        "lease",
        "0",
        "ID of the lease to attach the key to, in hexadecimal",
    ),
    Flag::switch("prev-kv", "return the pair as it was before"),
    Flag::switch("ignore-value", "keep the value as it is"),
    Flag::switch("ignore-lease", "keep the lease as it is"),
];

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let request = request(&invocation.arguments)?;
    let session = invocation.session()?;
    let answer = session.short_client().await?.put(request).await?;
    session.printer.print(&Answer::Put(answer))
}

/// Reads the arguments as a request where stdin has other things to say.
pub(super) fn request_in_full(arguments: &Arguments) -> Result<PutRequest, Exit> {
    if arguments.operands.len() < 2 && !arguments.bool("ignore-value") {
        return Err(no_value());
    }
    request(arguments)
}

/// Reads the arguments, and stdin if the value is missing, as a request.
fn request(arguments: &Arguments) -> Result<PutRequest, Exit> {
    let lease = lease_id(&arguments.text("lease"), "lease ID")?;
    let ignore_value = arguments.bool("ignore-value");
    let operands = &arguments.operands;
    let Some(key) = operands.first() else {
        return Err(no_value());
    };
    if ignore_value && operands.len() != 1 {
        let message = "put command needs only 1 argument when 'ignore-value' is set";
        return Err(Exit::bad_arguments(message));
    }
    let value = match operands.get(1) {
        Some(value) => value.clone(),
        None if ignore_value => Bytes::new(),
        None => value_from_stdin()?,
    };
    Ok(PutRequest {
        key: key.clone(),
        value,
        lease,
        prev_kv: arguments.bool("prev-kv"),
        ignore_value,
        ignore_lease: arguments.bool("ignore-lease"),
    })
}

fn value_from_stdin() -> Result<Bytes, Exit> {
    let mut value = Vec::new();
    std::io::stdin().lock().read_to_end(&mut value)?;
    if value.is_empty() {
        return Err(no_value());
    }
    Ok(value.into())
}

fn no_value() -> Exit {
    Exit::bad_arguments("put command needs 1 argument and input from stdin or 2 arguments")
}
