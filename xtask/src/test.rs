//! Everything that CI runs: the checks, all tests, and the clients of other languages.

use anyhow::{Result, bail};

use crate::check;
use crate::processes;
use crate::run::{cargo, run};

/// Runs it all, to the end whatever fails on the way: one run tells everything that is wrong.
pub(crate) fn test() -> Result<()> {
    let stages = [check::static_checks, fast_tests, real_processes];
    let failures: Vec<String> = stages
        .iter()
        .filter_map(|stage| stage().err())
        .map(|error| format!("{error:#}"))
        .collect();
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{}", failures.join("\n"))
}

fn fast_tests() -> Result<()> {
    let mut arguments = vec!["test", "--workspace", "--no-fail-fast"];
    arguments.extend(check::SLOW.iter().flat_map(|name| ["--exclude", name]));
    run(&cargo(), &arguments, &[])
}

/// The programs under test by real clients are the ones that users run.
fn real_processes() -> Result<()> {
    let programs = ["-p", "etcd", "-p", "etcdctl", "-p", "etcdutl"];
    let mut build = vec!["build", "--release"];
    build.extend(programs);
    run(&cargo(), &build, &[])?;
    processes::test_all()
}
