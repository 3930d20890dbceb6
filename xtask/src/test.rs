//! Everything that CI runs: the checks, all tests, and the clients of other languages.

use anyhow::Result;

use crate::check;
use crate::run::{cargo, run};

/// Runs it all.
pub(crate) fn test() -> Result<()> {
    check::static_checks()?;
    let mut fast = vec!["test", "--workspace"];
    fast.extend(check::SLOW.iter().flat_map(|name| ["--exclude", name]));
    run(&cargo(), &fast, &[])?;
    // The programs under test by real clients are the ones that users run.
    run(
        &cargo(),
        &[
            "build",
            "--release",
            "-p",
            "etcd",
            "-p",
            "etcdctl",
            "-p",
            "etcdutl",
        ],
        &[],
    )?;
    run(
        &cargo(),
        &[
            "test",
            "-p",
            "harness",
            "--",
            "--test-threads=2",
            "--nocapture",
        ],
        &[],
    )
}
