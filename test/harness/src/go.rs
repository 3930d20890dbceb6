//! Test programs in Go: etcd's own client and server code against members of ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};

use crate::{program, repository, tool};

/// The folder of the module.
const MODULE: &str = "test/interop/go";
/// The variable that tells the tests which binary to start.
const PROGRAM: &str = "ETCD_PROGRAM";
/// The variable that lets the tests run longer than usual.
const LIMIT: &str = "GO_TEST_LIMIT";

/// Test programs that are built, by package: each is linked once.
static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// Runs the tests of a package of the module whose names begin with `prefix`; they start members
/// themselves. `scratch` is for the built program.
///
/// # Errors
/// When Go is missing, or a test fails: what it printed is part of the error.
pub fn test(package: &str, prefix: &str, scratch: &str) -> Result<()> {
    test_with(package, prefix, scratch, &[])
}

/// The tests of a package, without the word that Go wants before their names.
///
/// # Errors
/// When the folder cannot be read.
pub fn tests(package: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in std::fs::read_dir(repository(MODULE).join(package))? {
        let text = std::fs::read_to_string(file?.path())?;
        let starts = text
            .lines()
            .filter_map(|line| line.strip_prefix("func Test"));
        let named = starts.filter_map(|rest| rest.split_once("(t *testing.T)"));
        names.extend(named.map(|(name, _)| name.to_owned()));
    }
    Ok(names)
}

/// As [`test()`], with programs that the tests find by these variables.
///
/// # Errors
/// As for [`test()`].
pub fn test_with(
    package: &str,
    prefix: &str,
    scratch: &str,
    programs: &[(&str, PathBuf)],
) -> Result<()> {
    let tests = build(package, scratch)?;
    // The tests find the tool beside the server.
    program("etcdutl")?;
    let limit = std::env::var(LIMIT).unwrap_or_else(|_| "10m".to_owned());
    let output = Command::new(&tests)
        .args(["-test.run", &format!("^Test{prefix}"), "-test.v"])
        .args(["-test.parallel", "4", "-test.timeout", &limit])
        .env(PROGRAM, program("etcd")?)
        .envs(programs.iter().map(|(name, path)| (name, path)))
        .current_dir(repository(MODULE).join(package))
        .output()
        .with_context(|| format!("{} could not be started", tests.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "the Go tests {prefix} of {package} failed: {}\n{text}{}\nWithout the members' logs:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        without_logs(&text)
    );
    let passed = text.matches("--- PASS").count();
    ensure!(passed > 0, "no Go test of {package} is called Test{prefix}");
    println!("{package}: {passed} Go tests {prefix} passed");
    for figure in text.lines().filter(|line| line.ends_with(" compared")) {
        println!("{figure}");
    }
    Ok(())
}

/// The last of what the tests themselves said: where only the end of an output is kept, the reason is in it.
fn without_logs(text: &str) -> String {
    let is_logged = |line: &&str| line.trim_start().starts_with('{');
    let said = text.lines().filter(|line| !is_logged(line));
    let mut last: Vec<String> = said
        .rev()
        .take(60)
        .map(|line| line.chars().take(400).collect())
        .collect();
    last.reverse();
    last.join("\n")
}

/// Builds one of etcd's own programs, as it is published, into a folder.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn published(program: &str, scratch: &str) -> Result<PathBuf> {
    tool::require("go", "version")?;
    let path = PathBuf::from(scratch).join("published").join(program);
    let output = path.to_str().context("the scratch folder's path")?;
    let package = format!("go.etcd.io/etcd/{program}/v3");
    tool::run(
        &repository(MODULE),
        "go",
        &["build", "-o", output, &package],
    )?;
    Ok(path)
}

/// Builds a program of the module, once, into a folder below `scratch`.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn own(package: &str, scratch: &Path) -> Result<PathBuf> {
    let mut built = BUILT
        .lock()
        .map_err(|_| anyhow::anyhow!("a build failed"))?;
    if let Some(program) = built.get(package) {
        return Ok(program.clone());
    }
    tool::require("go", "version")?;
    let path = scratch.join(package);
    let output = path.to_str().context("the scratch folder's path")?;
    let source = format!("./{package}");
    tool::run(&repository(MODULE), "go", &["build", "-o", output, &source])?;
    built.insert(package.to_owned(), path.clone());
    Ok(path)
}

/// Builds an etcd of an older version, which has a module of its own, into a folder.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn old(name: &str, scratch: &str) -> Result<PathBuf> {
    tool::require("go", "version")?;
    let path = PathBuf::from(scratch).join("published").join(name);
    let output = path.to_str().context("the scratch folder's path")?;
    let module = repository("test/interop/old").join(name);
    tool::run(&module, "go", &["build", "-o", output, "."])?;
    Ok(path)
}

fn build(package: &str, scratch: &str) -> Result<PathBuf> {
    // Whoever comes second waits for the first one's build.
    let mut built = BUILT
        .lock()
        .map_err(|_| anyhow::anyhow!("a build failed"))?;
    if let Some(tests) = built.get(package) {
        return Ok(tests.clone());
    }
    tool::require("go", "version")?;
    let tests = PathBuf::from(scratch).join(format!("{package}.test"));
    let path = tests.to_str().context("the scratch folder's path")?;
    let source = format!("./{package}");
    tool::run(
        &repository(MODULE),
        "go",
        &["test", "-c", "-o", path, &source],
    )?;
    built.insert(package.to_owned(), tests.clone());
    Ok(tests)
}
