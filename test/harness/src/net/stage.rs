//! Where a test with a network of its own takes place.

use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::namespaces::{Namespaces, PROBE, PROBE_WEATHER};
use super::proxy::Proxies;
use super::{Need, Network};
use crate::tool;

/// Says, when set to `proxy`, that there are to be no namespaces.
const CHOICE: &str = "FAULTS";
/// Tells a test that it runs in a network of its own.
const INSIDE: &str = "FAULTS_INSIDE";
/// The tools of namespaces, and their packages in Debian.
const TOOLS: [(&str, &str); 3] = [
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("unshare", "util-linux"),
];

/// Runs the body of the test called `test`, on what the system permits of what it needs.
///
/// # Errors
/// As the body; or when there is no network at all.
pub fn stage(
    test: &str,
    need: Need,
    body: impl FnOnce(Box<dyn Network>) -> Result<()>,
) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return body(Box::new(Namespaces::new()?));
    }
    match permitted(need) {
        Ok(()) => {
            println!("{test}: members in network namespaces");
            again_inside(test)
        }
        Err(reason) => {
            println!("{test}: members behind proxies, because of namespaces: {reason:#}");
            body(Box::new(Proxies::new()?))
        }
    }
}

/// Whether namespaces will do.
fn permitted(need: Need) -> Result<()> {
    if std::env::var(CHOICE).is_ok_and(|choice| choice == "proxy") {
        bail!("{CHOICE}=proxy");
    }
    for (tool, package) in TOOLS {
        if !tool::is_there(tool) {
            tool::install(package)?;
        }
    }
    let mut script = PROBE.to_owned();
    if need == Need::Weather {
        script.push_str(PROBE_WEATHER);
    }
    let output = inside().args(["sh", "-ec", &script]).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", error.trim());
    Ok(())
}

/// A command in namespaces of its own, where this process is root.
fn inside() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

/// The test runs itself again in a network of its own.
fn again_inside(test: &str) -> Result<()> {
    let output = inside()
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && text.contains("1 passed"),
        "{test} in namespaces: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    for line in text.lines().filter(|line| line.starts_with(test)) {
        println!("{line}");
    }
    Ok(())
}
