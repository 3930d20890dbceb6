//! What a commit must pass: a few minutes at the most.

use anyhow::Result;

use crate::run::{cargo, run};
use crate::{layers, licences, tidy};

/// Crates whose tests start processes of other languages or real servers: `xtask test` runs them.
pub(crate) const SLOW: [&str; 2] = ["harness", "bench"];

/// Runs all checks and the fast tests.
pub(crate) fn check() -> Result<()> {
    static_checks()?;
    let mut arguments = vec!["test", "--workspace", "--quiet"];
    arguments.extend(SLOW.iter().flat_map(|name| ["--exclude", name]));
    run(&cargo(), &arguments, &[])
}

/// Everything that needs no test to run.
pub(crate) fn static_checks() -> Result<()> {
    tidy::check()?;
    layers::check()?;
    licences::check()?;
    run(&cargo(), &["fmt", "--all", "--check"], &[])?;
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    run(&cargo(), &lints, &[])?;
    let docs = [
        "doc",
        "--workspace",
        "--no-deps",
        "--quiet",
        "--document-private-items",
    ];
    run(
        &cargo(),
        &docs,
        &[(
            "RUSTDOCFLAGS",
            "-D warnings -A rustdoc::private_intra_doc_links",
        )],
    )
}
