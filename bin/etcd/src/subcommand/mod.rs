//! `etcd gateway` and `etcd grpc-proxy`: programs of their own behind the same name.
//!
//! Their flags are GNU's, they read no environment and no file, and signals have their default
//! action, as in etcd.

mod endpoints;
mod gateway;
mod grpc_proxy;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use command::{Arguments, FlagError, Run};

use crate::life::{FAILED, complain, print};

/// A sub-command: a group of one command, `start`.
type Command = command::Command<fn(&Arguments) -> ExitCode>;

const ROOT: Command = Command {
    name: "etcd",
    children: &[gateway::COMMAND, grpc_proxy::COMMAND],
    ..Command::EMPTY
};

/// A duration, if there is anything to wait for.
fn positive(values: &Arguments, name: &str) -> Option<Duration> {
    Some(values.duration(name)).filter(|duration| !duration.is_zero())
}

/// Runs the sub-command that the first word names, if it names one.
pub(crate) fn run(words: &[String]) -> Option<ExitCode> {
    let first = words.first()?;
    ROOT.children.iter().find(|child| child.name == first)?;
    let words = words.iter().map(|word| Bytes::from(word.clone()));
    let found = command::find(const { &ROOT }, words.collect());
    let error = match (
        command::parse(&found.flags(), &found.words),
        found.command().run,
    ) {
        (Ok(arguments), Run::Do(start)) => return Some(start(&arguments)),
        (Ok(_) | Err(FlagError::Help), _) => {
            print(&command::help(&found));
            return Some(ExitCode::SUCCESS);
        }
        (Err(error), _) => error,
    };
    complain(&format!("Error: {error}\n{}", command::usage(&found)));
    // Said once more, as etcd does, without a line end.
    let _ = write!(std::io::stderr(), "\n{error}");
    Some(FAILED.into())
}
