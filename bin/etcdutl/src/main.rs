//! `etcdutl`: looks at and repairs the files of a member that is not running.
//!
//! It never talks to a server. Results go to standard output, `Error: …` to standard error; the
//! exit code says which kind of error it was ([`failure::Failure`]). Snapshots and what
//! is only asked about are never changed.

mod cli;
mod complaint;
mod database;
mod defrag;
mod failure;
mod hand_back;
mod hashkv;
mod log;
mod migrate;
mod output;
mod parse;
mod place;
mod recover;
mod restore;
mod run;
mod status;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
