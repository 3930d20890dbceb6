//! What the commands of this program are, in terms of the crate that reads command lines.

use std::pin::Pin;

pub(crate) use command::{
    Arguments, Flag, FlagError, Kind, Run, Value, find, help, options, parse, parse_value, script,
    unknown_command, usage,
};

use crate::exit::Exit;
use crate::invocation::Invocation;

/// A command at work.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<(), Exit>>>>;
/// One command, or a group of commands.
pub(crate) type Command = command::Command<fn(Invocation) -> Running>;
/// What a line names.
pub(crate) type Found = command::Found<fn(Invocation) -> Running>;

/// Under which heading the help of the program shows a command.
pub(crate) mod group {
    pub(crate) const KEY_VALUE: &str = "Key-value commands";
    pub(crate) const CLUSTER: &str = "Cluster maintenance commands";
    pub(crate) const CONCURRENCY: &str = "Concurrency commands";
    pub(crate) const AUTHENTICATION: &str = "Authentication commands";
    pub(crate) const UTILITY: &str = "Utility commands";
}
