//! Clients of other languages, for a smoke test: keys, transactions, watches, leases.

use std::path::{Path, PathBuf};

use harness::{Member, repository, tool};

/// Runs a script against a fresh member and prints what it checked.
fn smoke(
    scratch: &Path,
    folder: &Path,
    tool: &str,
    arguments: &[&str],
    endpoint: impl Fn(&Member) -> String,
) {
    let own = tempfile::tempdir_in(scratch).expect("a folder");
    let member = Member::start(own.path(), &[]).expect("a member");
    let endpoint = endpoint(&member);
    let mut arguments = arguments.to_vec();
    arguments.push(&endpoint);
    let output = tool::run(folder, tool, &arguments).expect("the script passes");
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

fn interop(language: &str) -> PathBuf {
    repository("test/interop").join(language)
}

#[test]
fn python() {
    tool::require("python3", "--version").expect("python");
    let scratch = tempfile::tempdir().expect("a folder");
    tool::run(scratch.path(), "python3", &["-m", "venv", "venv"]).expect("python3 -m venv");
    let python = scratch.path().join("venv/bin/python");
    let python = python.to_str().expect("a path in UTF-8");
    let install = ["-m", "pip", "install", "--quiet", "-r", "requirements.txt"];
    tool::run(&interop("python"), python, &install).expect("pip install");
    let port = |member: &Member| member.port().to_string();
    let place = |member: &Member| format!("127.0.0.1:{}", member.port());
    let folder = interop("python");
    smoke(scratch.path(), &folder, python, &["smoke.py"], port);
    let patroni = &["patroni_session.py"];
    smoke(scratch.path(), &folder, python, patroni, place);
}

#[test]
fn node() {
    tool::require("node", "--version").expect("node");
    tool::require("npm", "--version").expect("npm");
    let scratch = tempfile::tempdir().expect("a folder");
    // npm installs beside the manifest: the repository stays as it is.
    for file in ["package.json", "package-lock.json", "smoke.js"] {
        std::fs::copy(interop("node").join(file), scratch.path().join(file)).expect("a copy");
    }
    tool::run(scratch.path(), "npm", &["ci", "--silent"]).expect("npm ci");
    smoke(
        scratch.path(),
        scratch.path(),
        "node",
        &["smoke.js"],
        Member::endpoint,
    );
}
