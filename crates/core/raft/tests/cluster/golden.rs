//! Runs the scripts of `testdata/`; `UPDATE=1` writes what happens instead of comparing.

use std::path::{Path, PathBuf};

use crate::script::Script;

/// What the script shows when it is run.
fn replay(text: &str) -> String {
    let mut script = Script::default();
    let mut out = String::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            // One empty line is enough.
            if !(line.is_empty() && out.ends_with("\n\n")) {
                out += line;
                out.push('\n');
            }
        } else if let Some(command) = line.strip_prefix("> ") {
            out += line;
            out.push('\n');
            for line in script.run(command) {
                out += &line;
                out.push('\n');
            }
        }
    }
    out
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<PathBuf> = folder
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// A change of behaviour must show as a readable difference.
#[expect(
    clippy::disallowed_methods,
    reason = "rewrites its own test data when asked to"
)]
#[test]
fn scripts_show_what_they_showed() {
    let is_update = std::env::var_os("UPDATE").is_some();
    let mut different = Vec::new();
    for path in scripts() {
        let expected = std::fs::read_to_string(&path).unwrap();
        let actual = replay(&expected);
        if actual == expected {
            continue;
        }
        if is_update {
            std::fs::write(&path, actual).unwrap();
        } else {
            let line = actual
                .lines()
                .zip(expected.lines())
                .position(|(a, e)| a != e);
            different.push(format!("{} near line {line:?}:\n{actual}", path.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
