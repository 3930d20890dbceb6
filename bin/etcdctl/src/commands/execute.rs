//! Programs that a command runs: for an event, or while a lock is held.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use tokio::process::Command;

use crate::exit::Exit;
use notation::quote::quote;

/// Runs `words` with more variables in its environment; the outcome is its status.
pub(super) async fn run(
    words: &[Bytes],
    variables: &[(&str, String)],
    with_stdin: bool,
) -> Result<ExitStatus, Exit> {
    let mut words = words.iter().map(|word| OsStr::from_bytes(word));
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    if !with_stdin {
        command.stdin(Stdio::null());
    }
    let outcome = command.status().await;
    outcome.map_err(|error| {
        let name = quote(program.as_bytes());
        let bare = !program.as_bytes().contains(&b'/');
        if error.kind() == ErrorKind::NotFound && bare {
            return Exit::error(format!("exec: {name}: executable file not found in $PATH"));
        }
        let (path, reason) = (program.to_string_lossy(), crate::secure::io_reason(&error));
        Exit::error(format!("fork/exec {path}: {reason}"))
    })
}

/// A failed status in Go's words.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "signal: killed".to_owned(),
        (None, Some(15)) => "signal: terminated".to_owned(),
        (None, Some(2)) => "signal: interrupt".to_owned(),
        (None, number) => format!("signal: {}", number.unwrap_or_default()),
    }
}
