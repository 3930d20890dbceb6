//! The tests with real processes, one program of tests after the other.
//!
//! They share a machine with their clusters and with each other, so that a clock of ours, or of a client
//! library, may run out where nothing is wrong. What failed is tried once more, alone; it is told in the end, and
//! more than a few are a failure. A broken promise never gets a second try.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::run::{cargo, root, run};

/// The folder with a program of tests for each file and folder.
const TESTS: &str = "test/harness/tests";
/// Programs that judge promises only: durability, and what is left after damage.
const JUDGES: [&str; 3] = ["crash", "damage", "recovery"];
/// How the others tell of a broken promise.
const VIOLATION: &str = "violation: ";
/// Tests that may need a second try, in all.
const DISTURBED_MAX: usize = 3;

/// Runs them all, whatever fails on the way.
pub(crate) fn test_all() -> Result<()> {
    let (mut failures, mut disturbed) = (Vec::new(), Vec::new());
    let own = run(&cargo(), &["test", "-p", "harness", "--lib"], &[]);
    failures.extend(own.err().map(|error| format!("{error:#}")));
    for name in programs()? {
        match test(&name) {
            Ok(again) => disturbed.extend(again),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    for name in &disturbed {
        eprintln!("==> {name} passed at the second try only");
    }
    if disturbed.len() > DISTURBED_MAX {
        failures.push(format!("{} tests needed a second try", disturbed.len()));
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{}", failures.join("\n"))
}

/// The names of the programs, in order.
fn programs() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join(TESTS))? {
        let path = entry?.path();
        let name = path.file_stem().context("a name")?;
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Runs one program; the tests of it that passed at the second try only.
fn test(name: &str) -> Result<Vec<String>> {
    let (passed, text) = tee(name, &[])?;
    if passed {
        return Ok(Vec::new());
    }
    let failed = failed(&text);
    let is_judged = JUDGES.contains(&name) || text.contains(VIOLATION);
    if failed.is_empty() || is_judged {
        bail!("the tests of {name} failed: {}", failed.join(", "));
    }
    let mut only = vec!["--exact"];
    only.extend(failed.iter().map(String::as_str));
    let (passed, _) = tee(name, &only)?;
    if !passed {
        bail!("the tests of {name} failed twice: {}", failed.join(", "));
    }
    Ok(failed)
}

/// The tests at the end of an output that failed.
fn failed(text: &str) -> Vec<String> {
    let (_, last) = text.rsplit_once("\nfailures:\n").unwrap_or_default();
    let names = last.lines().map_while(|line| line.strip_prefix("    "));
    names.map(str::to_owned).collect()
}

/// Runs a program of tests; whether it passed, and what was said meanwhile.
fn tee(name: &str, only: &[&str]) -> Result<(bool, String)> {
    let mut arguments = vec!["test", "-p", "harness", "--test", name, "--"];
    arguments.extend(["--test-threads=2", "--nocapture"]);
    arguments.extend(only);
    eprintln!("==> cargo {}", arguments.join(" "));
    let mut child = Command::new(cargo())
        .args(&arguments)
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo could not be started")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || stderr.map(|from| copy(from, &mut std::io::stderr())));
    let said = stdout.map(|from| copy(from, &mut std::io::stdout()));
    let errors = errors.join().ok().flatten();
    let status = child.wait()?;
    let text = [errors, said].map(Option::unwrap_or_default).concat();
    Ok((status.success(), text))
}

/// Passes on line by line, and keeps it.
fn copy(from: impl Read, to: &mut impl Write) -> String {
    let mut text = String::new();
    let lines = BufReader::new(from).split(b'\n').map_while(Result::ok);
    for line in lines {
        let line = String::from_utf8_lossy(&line);
        let _ = writeln!(to, "{line}");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tests_are_found() {
        let text = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nno\n\nfailures:\n    a\n    b::c\n\ntest result: FAILED.";
        assert_eq!(failed(text), ["a", "b::c"]);
        assert!(failed("error: could not compile").is_empty());
    }
}
