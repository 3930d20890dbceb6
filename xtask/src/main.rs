//! The one front door to everything that a developer or CI runs.
//!
//! ```text
//! cargo xtask check        format, lints, docs, layers, licences, fast tests: before every commit
//! cargo xtask test         everything that CI runs
//! cargo xtask bench        the same load against this server and a real etcd member
//! cargo xtask compat       ours against etcd and together with it; --long for hours of it
//! cargo xtask fuzz         every fuzz target for a while
//! cargo xtask sim          whole clusters from seeds
//! cargo xtask dist         release binaries with checksums
//! ```

mod bench;
mod check;
mod compat;
mod dist;
mod fuzz;
mod layers;
mod licences;
mod processes;
mod run;
mod sim;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str =
    "usage: cargo xtask <check | test | bench | compat | fuzz | sim | dist> [options]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_str() {
        "check" => check::check(),
        "test" => test::test(),
        "bench" => bench::bench(&rest),
        "compat" => compat::compat(&rest),
        "fuzz" => fuzz::fuzz(&rest),
        "sim" => sim::sim(&rest),
        "dist" => dist::dist(),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
