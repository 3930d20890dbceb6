//! `etcdctl`: the command line of a cluster, compatible with etcd 3.7's.
//!
//! A run goes through four places: `command` (the crate) finds the command and reads its words, the command in
//! `commands` checks them and calls the cluster through the `client` crate, `print` writes the
//! answer in the format that was asked for, and `exit` says how the program ends.

mod commands;
mod discover;
mod exit;
mod flags;
mod global;
mod invocation;
mod log;
mod print;
mod run;
mod secure;
mod terminal;

use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.into_vec().into()).collect();
    match run::run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            run::report(&exit);
            ExitCode::from(exit.code)
        }
    }
}
