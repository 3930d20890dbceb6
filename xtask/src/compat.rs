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
/// Requests of each seed, of which there are three on keys and four on rights: together more than a million.
const LONG_STEPS: (&str, &str) = ("SAME_STEPS", "150000");
/// Other requests than those that CI has made so often.
const LONG_SEED: (&str, &str) = ("SAME_SEED", "1000");
/// Clusters of both kinds, each for six rounds.
const LONG_MIXES: (&str, &str) = ("COMPAT_MIXES", "17");

/// Runs what CI runs of it, or with `--long` a million requests and a hundred rounds: unless the environment
/// says how many.
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
    let (steps, seed) = (given(LONG_STEPS), given(LONG_SEED));
    let long = [
        (LONG_STEPS.0, steps.as_str()),
        (LONG_SEED.0, seed.as_str()),
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
    let mixes = if is_long {
        given(LONG_MIXES).parse()?
    } else {
        1
    };
    for _ in 0..mixes {
        run(&cargo(), &mixed, &[])?;
    }
    Ok(())
}

/// What the environment says, or else what is usual.
fn given((variable, usual): (&str, &str)) -> String {
    std::env::var(variable).unwrap_or_else(|_| usual.to_owned())
}
