//! Whole clusters from seeds; the work is done by `test/sim`.

use anyhow::Result;

use crate::run::{cargo, run};

/// Builds the simulator for speed, with every assertion, and runs it with the arguments given:
/// `--seed N`, `--seeds A..B`, `--minutes M`, `--lines L`.
pub(crate) fn sim(arguments: &[String]) -> Result<()> {
    let mut line = vec!["run", "--profile", "sim", "--quiet", "-p", "sim", "--"];
    line.extend(arguments.iter().map(String::as_str));
    run(&cargo(), &line, &[])
}
