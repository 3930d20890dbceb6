//! `etcd gateway` and `etcd grpc-proxy`: programs of their own behind the same name.
//!
//! Their flags are GNU's, they read no environment and no file, and signals have their default
//! action, as in etcd.

mod endpoints;
mod flags;
mod gateway;
mod grpc_proxy;

use std::io::Write as _;
use std::process::ExitCode;

use self::flags::{Asked, Flag, Values};
use crate::life::{FAILED, complain, print};

/// A sub-command: a group of one command, `start`.
struct Command {
    name: &'static str,
    summary: &'static str,
    start: &'static str,
    flags: &'static [Flag],
    run: fn(&Values) -> ExitCode,
}

const COMMANDS: [&Command; 2] = [&gateway::COMMAND, &grpc_proxy::COMMAND];

/// Runs the sub-command that the first word names, if it names one.
pub(crate) fn run(words: &[String]) -> Option<ExitCode> {
    let first = words.first()?;
    let command = COMMANDS.iter().find(|command| command.name == first)?;
    let rest = &words[1..];
    if rest.first().map(String::as_str) != Some("start") {
        return Some(group(command, rest));
    }
    let usage = flags::usage(&format!("etcd {} start", command.name), command.flags);
    match flags::parse(command.flags, &rest[1..]) {
        Ok(Asked::Run(values)) => Some((command.run)(&values)),
        Ok(Asked::Help) => {
            print(&format!("{}\n\n{usage}", command.start));
            Some(ExitCode::SUCCESS)
        }
        Err(error) => {
            complain(&format!("Error: {error}\n{usage}"));
            // Said once more, as etcd does, without a line end.
            let _ = write!(std::io::stderr(), "\n{error}");
            Some(FAILED.into())
        }
    }
}

/// What the group says without a command.
fn group(command: &Command, words: &[String]) -> ExitCode {
    let name = command.name;
    let unknown = words
        .iter()
        .find(|word| word.starts_with('-') && !matches!(word.as_str(), "-h" | "--help"));
    let usage = format!(
        "Usage:\n  etcd {name} [command]\n\nAvailable Commands:\n  start       {}\n\nFlags:\n  -h, --help   help for {name}\n\nUse \"etcd {name} [command] --help\" for more information about a command.\n",
        command.start
    );
    if let Some(word) = unknown {
        let error = format!("unknown flag: {word}");
        complain(&format!("Error: {error}\n{usage}"));
        let _ = write!(std::io::stderr(), "\n{error}");
        return FAILED.into();
    }
    print(&format!("{}\n\n{usage}", command.summary));
    ExitCode::SUCCESS
}
