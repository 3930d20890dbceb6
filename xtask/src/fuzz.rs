//! Long runs of the fuzz targets; the fast tests replay their corpora.

use anyhow::{Context as _, Result};

use crate::run::{output, root, run};

/// Runs every target for `--seconds N` (60 unless told), with `cargo-fuzz` on a nightly compiler.
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let seconds = match arguments {
        [flag, seconds] if flag == "--seconds" => seconds.parse::<u64>().context("--seconds")?,
        _ => 60,
    };
    output("cargo", &["+nightly", "fuzz", "--version"])
        .context("fuzzing needs a nightly compiler and `cargo install cargo-fuzz`")?;
    let targets = root().join("fuzz/fuzz_targets");
    let mut names: Vec<String> = std::fs::read_dir(targets)?
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    let limit = format!("-max_total_time={seconds}");
    for name in names {
        run(
            "cargo",
            &[
                "+nightly",
                "fuzz",
                "run",
                "--fuzz-dir",
                "fuzz",
                &name,
                "--",
                &limit,
            ],
            &[],
        )?;
    }
    Ok(())
}
