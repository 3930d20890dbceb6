//! From the command line to the command.

use std::io::Write as _;

use anyhow::Context as _;
use bytes::Bytes;
use command::FlagError;

use crate::cli::{Found, ROOT, Run};
use crate::failure::Failure;

/// Runs the command that the words behind the program's name ask for.
pub(crate) fn run(words: Vec<Bytes>) -> Result<(), Failure> {
    let found = command::find(const { &ROOT }, words);
    if let Some(name) = found.stray() {
        return Err(unknown_command(&found, &name));
    }
    let usage = command::usage(&found);
    let arguments = match command::parse(&found.flags(), &found.words) {
        Ok(arguments) => arguments,
        Err(FlagError::Help) => return print(&usage),
        Err(error) => return Err(Failure::usage(error.to_string()).with_usage(usage)),
    };
    match found.command().run {
        Run::Do(body) => body(&arguments).map_err(|failure| failure.with_usage(usage)),
        Run::Help => print(&usage),
    }
}

fn unknown_command(found: &Found, name: &str) -> Failure {
    let text = command::unknown_command(found, name);
    Failure::usage(text).with_usage(format!("Run '{} --help' for usage.", ROOT.name))
}

/// Prints a result; a closed pipe is an error like any other.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot print")?;
    Ok(())
}
