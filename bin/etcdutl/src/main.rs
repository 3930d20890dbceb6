//! `etcdutl`: looks at and repairs the files of a member that is not running.
//!
//! It never talks to a server. Results go to standard output, `Error: …` to standard error; the
//! exit code says which kind of error it was ([`failure::Failure`]). The database is only read.

mod cli;
mod complaint;
mod database;
mod failure;
mod hashkv;
mod output;
mod parse;
mod run;
mod size;
mod status;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
