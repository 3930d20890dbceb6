//! The comparison with the published etcd; the work is done by `test/bench`.

use anyhow::Result;

use crate::run::{cargo, run};

/// Builds the release binaries and runs the comparison with the arguments given.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    run(
        &cargo(),
        &["build", "--release", "-p", "etcd", "-p", "bench"],
        &[],
    )?;
    let mut line = vec!["run", "--release", "--quiet", "-p", "bench", "--"];
    line.extend(arguments.iter().map(String::as_str));
    run(&cargo(), &line, &[])
}
