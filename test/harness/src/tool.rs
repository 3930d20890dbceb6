//! Tools of other languages that tests need.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Checks that a tool is there.
///
/// # Errors
/// When it is missing: the test that needs it fails and says so.
pub fn require(tool: &str, version: &str) -> Result<()> {
    let found = Command::new(tool).arg(version).output();
    let is_there = found.is_ok_and(|output| output.status.success());
    ensure!(
        is_there,
        "this test needs `{tool}`, which is missing; install it and run the test again"
    );
    Ok(())
}

/// Whether a tool is on the path.
#[must_use]
pub fn is_there(tool: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// Installs one of Debian's packages.
///
/// # Errors
/// When there is none, or this is not Debian.
pub fn install(package: &str) -> Result<()> {
    let root = Path::new("/");
    let get = ["install", "-y", "--no-install-recommends", package];
    if run(root, "apt-get", &get).is_ok() {
        return Ok(());
    }
    run(root, "apt-get", &["update"])?;
    run(root, "apt-get", &get)
        .with_context(|| format!("{package} is missing"))
        .map(drop)
}

/// Runs a tool in a folder to its end.
///
/// # Errors
/// When it cannot be started or fails; what it printed is part of the error.
pub fn run(folder: &Path, tool: &str, arguments: &[&str]) -> Result<Output> {
    run_with(folder, tool, arguments, &[])
}

/// As [`run`], with variables of the environment.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    folder: &Path,
    tool: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Output> {
    let line = format!("{tool} {}", arguments.join(" "));
    let output = Command::new(tool)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .output()
        .with_context(|| format!("{line} could not be started"))?;
    ensure!(
        output.status.success(),
        "{line} failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}
