//! `etcdutl`: looks at and repairs the files of a member that is not running.
//!
//! It never talks to a server. Results go to standard output, `Error: …` to standard error; the
//! exit code says which kind of error it was ([`failure::Failure`]). Snapshots and what
//! is only asked about are never changed.

mod cli;
mod completion;
mod database;
mod defrag;
mod failure;
mod hand_back;
mod hashkv;
mod help;
mod log;
mod migrate;
mod output;
mod place;
mod recover;
mod restore;
mod run;
mod status;
mod version;

use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.into_vec().into()).collect();
    match run::run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
