//! The program's commands, and what they share.

use std::time::Duration;

pub(crate) use command::{Arguments, Flag, Kind, Run};

use crate::failure::Failure;
use crate::output::Format;
use crate::{completion, defrag, hashkv, help, migrate, recover, restore, status, version};

/// What a command does.
type Body = fn(&Arguments) -> Result<(), Failure>;
/// One command, or a group of commands.
pub(crate) type Command = command::Command<Body>;
/// What a line names.
pub(crate) type Found = command::Found<Body>;

/// The program.
pub(crate) const ROOT: Command = Command {
    name: "etcdutl",
    inherited: &[
        Flag::of(
            "timeout",
            Kind::Duration,
            "10s",
            "how long to wait for the lock of a database, 0 for ever",
        ),
        Flag::text(
            "write-out",
            "simple",
            "output format: fields, json, protobuf, simple or table",
        )
        .short('w'),
    ],
    children: &[
        completion::COMMAND,
        defrag::COMMAND,
        hashkv::COMMAND,
        help::COMMAND,
        migrate::COMMAND,
        recover::COMMAND,
        SNAPSHOT,
        version::COMMAND,
    ],
    ..Command::EMPTY
};

const SNAPSHOT: Command = Command {
    name: "snapshot",
    about: "Restores and describes snapshots",
    children: &[restore::COMMAND, status::COMMAND],
    ..Command::EMPTY
};

/// How long to wait for a lock.
pub(crate) fn timeout(arguments: &Arguments) -> Duration {
    arguments.duration("timeout")
}

/// The format that the result is asked for in.
pub(crate) fn format(arguments: &Arguments) -> Result<Format, Failure> {
    Format::parse(&arguments.text("write-out"))
}

/// A text that was given.
pub(crate) fn given(arguments: &Arguments, name: &str) -> Option<String> {
    arguments.is_changed(name).then(|| arguments.text(name))
}

/// The only operand of a command that says so by its usage.
pub(crate) fn only_operand(arguments: &Arguments) -> Result<String, Failure> {
    match (arguments.operand(0), arguments.operands.len()) {
        (Some(operand), 1) => Ok(operand),
        (_, count) => Err(Failure::usage(format!(
            "accepts 1 arg(s), received {count}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &Command, path: &str) {
        let arguments = command::parse(command.flags, &[]).unwrap();
        for flag in command.flags {
            assert!(!flag.help.is_empty(), "{path} --{}", flag.name);
            assert!(
                arguments.values.contains_key(flag.name),
                "{path} --{}",
                flag.name
            );
        }
        for child in command.children {
            assert!(!child.about.is_empty(), "{path} {}", child.name);
            check(child, &format!("{path} {}", child.name));
        }
    }

    /// A flag whose default does not parse would read as empty.
    #[test]
    fn every_declaration_is_whole() {
        check(&ROOT, ROOT.name);
    }
}
