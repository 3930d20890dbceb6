//! House rules that no other tool checks: heads of files, sizes, and words that must not stay.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::{output, root};

/// Most lines of a file with product code.
const MAX_LINES: usize = 800;

/// What must not be committed, in pieces so that this file passes.
const FORBIDDEN: [(&str, &str); 4] = [
    (concat!("db", "g!("), "left over from debugging"),
    (concat!("FIX", "ME"), "finish it or file it"),
    (concat!("TO", "DO"), "finish it or file it"),
    (
        concat!("#[ig", "nore]"),
        "a test that cannot run is not a test",
    ),
];

/// Checks every tracked file.
pub(crate) fn check() -> Result<()> {
    eprintln!("==> tidy");
    let mut complaints = Vec::new();
    for file in output("git", &["ls-files", "-co", "--exclude-standard", "*.rs"])?.lines() {
        let path = root().join(file);
        // A file that was removed but not yet committed.
        if let Ok(text) = fs::read_to_string(&path) {
            check_file(file, &text, &mut complaints);
        }
    }
    check_paths(&root().join("ARCHITECTURE.md"), &mut complaints);
    check_tests(&root().join("docs/security.md"), &mut complaints);
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{}", complaints.join("\n"))
}

fn check_file(file: &str, text: &str, complaints: &mut Vec<String>) {
    if file.contains("/gen/") {
        return;
    }
    let is_fuzz_target = file.contains("fuzz_targets/");
    if !text.starts_with("//!") && !is_fuzz_target {
        complaints.push(format!(
            "{file}: begin with a `//!` head that says what this file is"
        ));
    }
    let is_test =
        file.contains("/tests") || file.starts_with("test/") || file.ends_with("tests.rs");
    let lines = text.lines().count();
    if lines > MAX_LINES && !is_test {
        complaints.push(format!("{file}: {lines} lines; split it by concern"));
    }
    for (number, line) in text.lines().enumerate() {
        for (word, reason) in FORBIDDEN {
            if line.contains(word) {
                complaints.push(format!("{file}:{}: {word}: {reason}", number + 1));
            }
        }
    }
}

/// Paths that a document names in backticks must exist.
fn check_paths(document: &Path, complaints: &mut Vec<String>) {
    let Ok(text) = fs::read_to_string(document) else {
        complaints.push(format!("{} is missing", document.display()));
        return;
    };
    for quoted in text.split('`').skip(1).step_by(2) {
        let is_path = ["crates/", "bin/", "test/", "docs/", "fuzz/", "xtask/"]
            .iter()
            .any(|folder| quoted.starts_with(folder));
        if is_path && !quoted.contains([' ', '*', '<']) && !exists(quoted) {
            complaints.push(format!("{}: `{quoted}` does not exist", document.display()));
        }
    }
}

/// Rows that end with a file and its tests, all in backticks: the tests must be in the file.
fn check_tests(document: &Path, complaints: &mut Vec<String>) {
    let text = fs::read_to_string(document).unwrap_or_default();
    let mut rows = 0;
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, advisory, _, file, tests, _] = cells[..] else {
            continue;
        };
        let Some(file) = file
            .strip_prefix('`')
            .and_then(|file| file.strip_suffix('`'))
        else {
            continue;
        };
        rows += 1;
        let code = fs::read_to_string(root().join(file)).unwrap_or_default();
        for test in tests.split('`').skip(1).step_by(2) {
            if !code.contains(&format!("fn {test}()")) {
                let document = document.display();
                complaints.push(format!("{document}: {advisory}: no test {test} in {file}"));
            }
        }
    }
    if rows == 0 {
        complaints.push(format!("{}: no table of tests", document.display()));
    }
}

fn exists(path: &str) -> bool {
    let path: PathBuf = root().join(path.trim_end_matches('/'));
    path.exists()
}
