//! `version`: which etcdctl this is.

use crate::exit::Exit;
use crate::flags::{Command, Run, group};
use crate::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "version",
    about: "Prints the version of etcdctl",
    group: group::UTILITY,
    run: Run::Do(|_| Box::pin(async { run() })),
    ..Command::EMPTY
};

/// The version of the API that this program speaks.
const API_VERSION: &str = "3.7";

fn run() -> Result<(), Exit> {
    let version = proto::limits::SERVER_VERSION;
    print::line(&format!(
        "etcdctl version: {version}\nAPI version: {API_VERSION}"
    ))
}
