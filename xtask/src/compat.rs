//! How well ours and etcd stand in for each other: takeovers, hand backs, mixed clusters, equal answers.

use anyhow::{Result, bail};

use crate::run::{cargo, run};

/// The Go tests of it.
const TESTS: [&str; 6] = [
    "directories_",
    "snapshots_",
    "older_versions",
    "the_log_is_etcds",
    "answers_are_etcds",
    "clusters_are_mixed",
];
/// Requests of each of three seeds: together more than a million.
const LONG_STEPS: &str = "340000";
/// Times six rounds.
const LONG_MIXES: usize = 17;

/// Runs what CI runs of it, or with `--long` a million requests and a hundred rounds.
pub(crate) fn compat(arguments: &[String]) -> Result<()> {
    let is_long = match arguments {
        [] => false,
        [flag] if flag == "--long" => true,
        _ => bail!("usage: cargo xtask compat [--long]"),
    };
    let programs = ["-p", "etcd", "-p", "etcdctl", "-p", "etcdutl"];
    let mut build = vec!["build", "--release"];
    build.extend(programs);
    run(&cargo(), &build, &[])?;
    let mut tests = vec!["test", "-p", "harness", "--test", "go", "--"];
    tests.extend(["--nocapture", "--test-threads=1"]);
    tests.extend(TESTS);
    let long = [
        ("SAME_STEPS", LONG_STEPS),
        ("SAME_SEED", "1000"),
        ("GO_TEST_LIMIT", "24h"),
    ];
    run(&cargo(), &tests, if is_long { &long } else { &[] })?;
    let mixed = [
        "test",
        "-p",
        "harness",
        "--test",
        "mixed",
        "--",
        "--nocapture",
    ];
    for _ in 0..if is_long { LONG_MIXES } else { 1 } {
        run(&cargo(), &mixed, &[])?;
    }
    Ok(())
}
