//! `etcdutl`, beside etcd's own: what both do with the same files.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Member, Stop, go, program};
use serde_json::Value;

use crate::outcome::{Kind, Outcome, run};
use crate::{SCRATCH, words};

/// Lines that run in a fresh folder each; `;` separates lines that share one. Files of [`prepare`] that
/// a line names are there.
const LINES: &[&str] = &[
    "version -w json",
    "version x",
    "-wjson version",
    // Snapshots are described.
    "snapshot status ours.snap",
    "snap stat theirs.snap -w table",
    "snapshot status theirs.snap -w json",
    "snapshot status theirs.snap -w fields",
    "snapshot status theirs.snap -w protobuf",
    "snapshot status theirs.snap -w xml",
    "snapshot status bare.db",
    "snapshot status none -w xml",
    "snapshot status text",
    "snapshot status",
    "snapshot status a b",
    "hashkv ours.snap",
    "hashkv theirs.snap -w json",
    "hashkv theirs.snap -w fields",
    "hashkv theirs.snap -w table",
    "hashkv theirs.snap -w protobuf",
    "hashkv theirs.snap -w xml",
    "hashkv bare.db --rev 8",
    "hashkv theirs.snap --rev 6",
    "hashkv theirs.snap --rev 5",
    "hashkv theirs.snap --rev 99",
    "hashkv theirs.snap --timeout -1s",
    "hashkv theirs.snap --rev 0x8",
    "hashkv theirs.snap --rev abc",
    "hashkv theirs.snap --timeout 5",
    "hashkv none",
    "hashkv",
    "hashkv a b",
    // Data directories of etcd.
    "migrate --data-dir data --target-version 3.7 ; migrate --data-dir data --target-version 3.6 ; \
     migrate --data-dir data --target-version 3.5 ; migrate --data-dir data --target-version 3.7 ; \
     migrate --data-dir data --target-version 3.8 ; migrate --data-dir data --target-version 4.0 ; \
     defrag --data-dir data ; defrag --data-dir=data extra",
    "migrate --data-dir logless --target-version 3.6",
    "migrate --data-dir logless --target-version 3.5 --force",
    "migrate --data-dir none --target-version 3.6",
    "migrate --data-dir none --target-version 3",
    "migrate --data-dir none --target-version 3.6.1",
    "migrate --data-dir none --target-version 3.x",
    "migrate --data-dir none --target-version 3.4",
    "migrate --data-dir none",
    "migrate --target-version 3.6",
    "migrate",
    "defrag --data-dir none",
    "defrag --data-dir=",
    "defrag --data-dir",
    "defrag",
    // Snapshots are restored.
    "snapshot restore theirs.snap --data-dir r ; snapshot restore theirs.snap --data-dir r",
    "snapshot restore ours.snap",
    "snapshot restore theirs.snap --data-dir r --name a --initial-cluster-token t --initial-cluster \
     a=http://127.0.0.1:1,b=http://127.0.0.1:2 --initial-advertise-peer-urls http://127.0.0.1:1",
    "snapshot restore theirs.snap --data-dir r --bump-revision 1000 --mark-compacted",
    "snapshot restore theirs.snap --data-dir r --bump-revision 0x10 --mark-compacted=true",
    "snapshot restore theirs.snap --data-dir r --wal-dir w --initial-memory-map-size 0",
    "snapshot restore bare.db --data-dir r --skip-hash-check",
    "snapshot restore bare.db --data-dir r",
    "snapshot restore damaged --data-dir r",
    "snapshot restore text --data-dir r",
    "snapshot restore empty --data-dir r",
    "snapshot restore none --data-dir r",
    "snapshot restore logless --data-dir r",
    "snapshot restore theirs.snap --data-dir logless",
    "snapshot restore theirs.snap --data-dir text",
    "snapshot restore theirs.snap --data-dir r --wal-dir logless",
    "snapshot restore theirs.snap --data-dir r --name x",
    "snapshot restore theirs.snap --data-dir r --initial-cluster foo",
    "snapshot restore theirs.snap --data-dir r --initial-advertise-peer-urls foo",
    "snapshot restore theirs.snap --data-dir r --initial-advertise-peer-urls http://127.0.0.1:1",
    "snapshot restore theirs.snap --data-dir r --initial-cluster \
     b=http://localhost:2380,default=http://localhost:2380",
    "snapshot restore theirs.snap --data-dir r --bump-revision 1000",
    "snapshot restore theirs.snap --data-dir r --mark-compacted",
    "snapshot restore theirs.snap --data-dir r --bump-revision -1",
    "snapshot restore theirs.snap --data-dir r --bump-revision 99999999999999999999",
    "snapshot restore theirs.snap --data-dir r --skip-hash-check=maybe",
    "snapshot restore theirs.snap --data-dir r --initial-memory-map-size x",
    "snapshot restore",
    "snapshot restore a b",
    // Words.
    "bogus",
    "bogus --bogus",
    "defrga",
    "snapshto status",
    "snapshot save x",
    "snapshot --bogus",
    "snapshot",
    "-x",
    "--bogus",
    "-w",
    "---x",
    "--timeout x version",
    "--timeout=1s",
    "--version",
    "completion",
    "completion a",
    "completion a b",
    "help",
    "help snap rest",
    "help snapshot bogus",
    "-h",
    "snapshot -h",
    "snapshot restore --help",
    "snapshot status --help",
    "hashkv --help",
    "defrag --help",
    "version --help",
    "completion --help",
    "migrate --help",
];

/// What only ours has, in help texts.
const OURS: &[&str] = &[
    "recover ",
    "--to-etcd ",
    "--to-wal-dir ",
    "--wal-dir string ",
];

/// Log lines that tell what was done; the rest is about the insides of a database.
const TOLD: &[&str] = &[
    "restoring snapshot",
    "added member",
    "bumping latest revision",
    "marking revision compacted",
    "restored snapshot",
    "defragmenting",
    "finished defragmenting directory",
    "updated storage version",
    "storage version up-to-date",
    "forcefully set storage version",
    "forcefully cleared storage version",
    "Failed to finalize config",
];

/// Both programs do the same with each line, and say the same.
#[test]
fn etcdutl_is_like_the_published_one() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let (ours, theirs) = programs();
    let mut differences = Vec::new();
    for script in LINES {
        let (got, want) = (
            outcomes(&ours, script, folder.path()),
            outcomes(&theirs, script, folder.path()),
        );
        for ((line, got), (_, want)) in got.into_iter().zip(want) {
            if !got.is_like(&want, Kind::Whole) {
                differences.push(format!("etcdutl {line}\nours: {got}\ntheirs: {want}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    println!("{} lines of etcdutl are the same", LINES.len());
}

/// A directory that is restored holds the same, whoever restores it from whose snapshot.
#[test]
fn restored_directories_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let (ours, theirs) = programs();
    for snapshot in ["ours.snap", "theirs.snap"] {
        let hash = |program: &Path, file: &str| {
            let script = format!("snapshot restore {snapshot} --data-dir r ; hashkv r{file}");
            let outcomes = outcomes(program, &script, folder.path());
            outcomes.into_iter().next_back().unwrap().1
        };
        let (got, want) = (hash(&ours, ""), hash(&theirs, "/member/snap/db"));
        assert_eq!(got.code, Some(0), "{got}");
        assert_eq!(got.stdout, want.stdout, "{snapshot}");
    }
}

fn programs() -> (PathBuf, PathBuf) {
    let theirs = go::published("etcdutl", SCRATCH).unwrap();
    (program("etcdutl").unwrap(), theirs)
}

/// Snapshots of both kinds of members with the same history, and what else lines name.
fn prepare(folder: &Path) {
    let server = go::published("server", SCRATCH).unwrap();
    for (name, server) in [("ours", None), ("theirs", Some(server))] {
        let home = folder.join(name);
        std::fs::create_dir(&home).unwrap();
        let mut member = Member::prepare(&home.join("data"), &home).unwrap();
        member.set_program(server);
        member.restart().unwrap();
        let endpoints = [member.endpoint()];
        let ctl = |line: &[&str]| harness::ctl::run(&endpoints, line).unwrap();
        for number in 0..12 {
            ctl(&["put", &format!("k{}", number % 5), &format!("{number}")]);
        }
        ctl(&["del", "k1"]);
        ctl(&["compact", "6", "--physical"]);
        let snapshot = folder.join(format!("{name}.snap"));
        ctl(&["snapshot", "save", snapshot.to_str().unwrap()]);
        member.stop(Stop::Terminate).unwrap();
    }
    std::fs::rename(folder.join("theirs/data"), folder.join("data")).unwrap();
    let logless = folder.join("logless/member/snap");
    std::fs::create_dir_all(&logless).unwrap();
    std::fs::copy(folder.join("data/member/snap/db"), logless.join("db")).unwrap();
    let mut bytes = std::fs::read(folder.join("theirs.snap")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("bare.db", &bytes[..bytes.len() - 32]);
    write("empty", b"");
    write(
        "text",
        "not a database, but long enough to be looked at\n"
            .repeat(9)
            .as_bytes(),
    );
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write("damaged", &bytes);
}

/// Runs the lines of a script in a fresh folder.
fn outcomes(program: &Path, script: &str, files: &Path) -> Vec<(String, Outcome)> {
    let folder = tempfile::tempdir().unwrap();
    for name in words(script) {
        let (from, to) = (files.join(&name), folder.path().join(&name));
        let is_name = !name.is_empty() && !name.contains(['=', '/']);
        let name_in_value = name.strip_prefix("--data-dir=").unwrap_or_default();
        if is_name && from.exists() && !to.exists() {
            copy(&from, &to);
        } else if !name_in_value.is_empty() && !folder.path().join(name_in_value).exists() {
            copy(
                &files.join(name_in_value),
                &folder.path().join(name_in_value),
            );
        }
    }
    let lines = script.split(" ; ").map(|line| {
        let mut command = Command::new(program);
        command.args(words(line)).current_dir(folder.path());
        (line.to_owned(), told(run(command, "")))
    });
    lines.collect()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(status.unwrap().success(), "{}", from.display());
}

/// Without what only one of the two has.
fn common(text: &str) -> String {
    let is_ours = |line: &str| OURS.iter().any(|word| line.trim_start().starts_with(word));
    let lines = text.lines().filter(|line| !is_ours(line));
    // Everybody says in words of their own why a log cannot be read.
    let cut = |line: &'_ str| match line.split_once(" snapshot: ") {
        Some((what, _)) => what.to_owned(),
        None => line.to_owned(),
    };
    lines.map(cut).collect::<Vec<_>>().join("\n")
}

/// With what was done, and what the complaint is, in place of all that was logged.
fn told(mut outcome: Outcome) -> Outcome {
    let events = outcome.stderr.lines().filter_map(event);
    let is_complaint = |line: &&str| line.starts_with("Error:") || line.starts_with("Unknown");
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let complaint = lines.iter().position(is_complaint);
    let complaint = lines[complaint.unwrap_or(lines.len())..].iter();
    let told: Vec<String> = events.chain(complaint.map(ToString::to_string)).collect();
    outcome.stderr = common(&told.join("\n"));
    outcome.stdout = common(&outcome.stdout);
    outcome.errors = outcome.errors.iter().map(|line| common(line)).collect();
    outcome
}

/// Message and fields of a log line, without those that differ from run to run, or that tell how data is
/// kept.
fn event(line: &str) -> Option<String> {
    let parts: Vec<&str> = line.split('\t').collect();
    let message = parts.iter().find(|part| TOLD.contains(*part))?;
    let level = parts.get(1)?;
    let mut fields: Value = serde_json::from_str(parts.last()?).unwrap_or_default();
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, _| !(name == "snap-dir" || name == "took" || name.contains("size")));
        if *level == "error" {
            fields.clear();
        }
    }
    Some(format!("{level} {message} {fields}"))
}
