//! Licences of everything that is built in: only those that ask for no more than their text.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::run::{cargo, output};

const ALLOWED: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "Unicode-3.0",
    "CC0-1.0",
];

/// Checks the licence expression of every package in the lock file.
pub(crate) fn check() -> Result<()> {
    eprintln!("==> licences");
    let metadata = output(&cargo(), &["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata without packages")?;
    let refused: BTreeSet<String> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(is_allowed))
        .map(|package| format!("{} ({})", package["name"], package["license"]))
        .collect();
    ensure!(
        refused.is_empty(),
        "licences that are not allowed: {refused:?}"
    );
    Ok(())
}

/// Whether one of the alternatives of an expression asks only for allowed licences.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], " ").replace('/', " OR ");
    // Without brackets `a AND b OR c` is read as either `a AND b` or `c`; a part in brackets is then
    // asked for less than it says, so every name of an expression with both words must be allowed.
    if expression.contains(" AND ") && expression.contains(" OR ") {
        return expression.split(" AND ").all(|part| {
            part.split(" OR ")
                .any(|name| ALLOWED.contains(&name.trim()))
        });
    }
    expression.split(" OR ").any(|part| {
        part.split(" AND ")
            .all(|name| ALLOWED.contains(&name.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A licence that slips through binds everybody who ships the binaries.
    #[test]
    fn expressions() {
        assert!(is_allowed("MIT OR Apache-2.0"));
        assert!(is_allowed("GPL-3.0 OR MIT"));
        assert!(is_allowed("Unlicense/MIT"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_allowed("GPL-3.0"));
        assert!(!is_allowed("MIT AND GPL-3.0"));
        assert!(!is_allowed("(MIT OR Apache-2.0) AND GPL-3.0"));
    }
}
