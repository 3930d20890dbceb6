//! `version`: which etcdutl this is.

use crate::cli::{Command, Run};
use crate::failure::Failure;
use crate::run::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "version",
    about: "Prints the version of etcdutl",
    run: Run::Do(|_| run()),
    ..Command::EMPTY
};

fn run() -> Result<(), Failure> {
    let full = env!("CARGO_PKG_VERSION");
    let api = full.rsplit_once('.').map_or(full, |(minor, _)| minor);
    print(&format!("etcdutl version: {full}\nAPI version: {api}\n"))
}
