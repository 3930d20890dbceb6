//! The program as its users see it: output, standard error and exit codes.
//!
//! Hashes and texts were compared with those of etcdutl 3.7.1 for the same file.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, Output};

use boltfile::{PAGE_SIZE, Writer};
use bytes::Bytes;
use disk::{Dir, LockKind, OpenMode, RealDir};
use tempfile::TempDir;
use types::{LeaseId, Record, RecordKey, Revision};

/// A change of the sample: main and sub revision, the key, and its record unless it is deleted.
type Change = (i64, i64, &'static str, Option<(i64, i64, &'static str)>);

/// Compacted at 6, where `b` was deleted; the compaction has not run yet.
const CHANGES: &[Change] = &[
    (2, 0, "a", Some((2, 1, "1"))),
    (3, 0, "b", Some((3, 1, "2"))),
    (4, 0, "a", Some((2, 2, "3"))),
    (5, 0, "c", Some((5, 1, "4"))),
    (5, 1, "d", Some((5, 1, ""))),
    (6, 0, "b", None),
    (7, 0, "c", None),
    (7, 1, "a", Some((2, 3, "5"))),
    (8, 0, "c", Some((8, 1, "6"))),
];

fn pair((main, sub, key, record): &Change) -> (Bytes, Bytes) {
    let at = RecordKey {
        revision: Revision::new(*main, *sub),
        tombstone: record.is_none(),
    };
    let stored = match record {
        None => Record::encode_tombstone(key.as_bytes()),
        Some((create_revision, version, value)) => Record {
            key: Bytes::from_static(key.as_bytes()),
            create_revision: *create_revision,
            mod_revision: *main,
            version: *version,
            value: Bytes::from_static(value.as_bytes()),
            lease: LeaseId::NONE,
        }
        .encode(),
    };
    (at.with_bytes(Bytes::copy_from_slice), stored)
}

/// A database as a server leaves it, with the checksum's bytes of a snapshot after it.
fn write_sample(dir: &Path) {
    let file = RealDir::new(dir).open("db", OpenMode::Truncate).unwrap();
    let mut writer = Writer::new(file.clone(), PAGE_SIZE);
    let none = || std::iter::empty::<Result<(Bytes, Bytes), Infallible>>();
    for name in ["alarm", "auth", "authRoles", "authUsers", "cluster"] {
        writer.bucket(name.as_bytes(), none()).unwrap();
    }
    let changes = CHANGES
        .iter()
        .map(|change| Ok::<_, Infallible>(pair(change)));
    writer.bucket(b"key", changes).unwrap();
    for name in ["lease", "members", "members_removed"] {
        writer.bucket(name.as_bytes(), none()).unwrap();
    }
    let mark = RecordKey {
        revision: Revision::new(6, 0),
        tombstone: false,
    };
    let meta = [
        (
            "consistent_index",
            Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 9]),
        ),
        (
            "scheduledCompactRev",
            mark.with_bytes(Bytes::copy_from_slice),
        ),
        ("storageVersion", Bytes::from("3.7.0")),
        ("term", Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 2])),
    ];
    let meta = meta.map(|(key, value)| Ok::<_, Infallible>((Bytes::from(key), value)));
    writer.bucket(b"meta", meta).unwrap();
    let len = writer.finish().unwrap().bytes();
    file.write_all_at(&[7; 32], len).unwrap();
}

fn sample() -> TempDir {
    let dir = TempDir::new().unwrap();
    write_sample(dir.path());
    dir
}

fn etcdutl(dir: &Path, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_etcdutl"))
        .args(args.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap()
}

/// Runs a command and compares exit code, output and standard error.
fn check(dir: &Path, args: &str, code: i32, out: &str, err: &str) {
    let output = etcdutl(dir, args);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text(&output.stdout), out, "output of {args}");
    assert_eq!(text(&output.stderr), err, "errors of {args}");
    assert_eq!(output.status.code(), Some(code), "exit code of {args}");
}

/// A complaint about the command line: said twice with the usage in between, exit code 1.
fn check_usage(args: &str, text: &str) {
    let output = etcdutl(Path::new("."), args);
    let err = String::from_utf8(output.stderr).unwrap();
    let line = format!("Error: {text}\n");
    assert!(
        err.starts_with(&format!("{line}Usage:\n  etcdutl")),
        "{err}"
    );
    assert!(err.ends_with(&line), "{err}");
    assert!(output.stdout.is_empty());
    assert_eq!(output.status.code(), Some(1), "{args}");
}

/// Backup scripts read these lines.
#[test]
fn snapshot_status() {
    let dir = sample();
    let dir = dir.path();
    check(
        dir,
        "snapshot status db",
        0,
        "a13a36, 8, 3, 12 kB, 3.7.0\n",
        "",
    );
    check(
        dir,
        "snap stat -w=json db",
        0,
        "{\"hash\":10566198,\"revision\":8,\"totalKey\":3,\"totalSize\":12288,\"version\":\"3.7.0\"}\n",
        "",
    );
    let fields = "\"Hash\" : 10566198\n\
        \"Revision\" : 8\n\
        \"Keys\" : 3\n\
        \"Size\" : 12288\n\
        \"Version\" : 3.7.0\n";
    check(dir, "--write-out fields snapshot status db", 0, fields, "");
    let table = "┌────────┬──────────┬────────────┬────────────┬─────────┐\n\
        │  HASH  │ REVISION │ TOTAL KEYS │ TOTAL SIZE │ VERSION │\n\
        ├────────┼──────────┼────────────┼────────────┼─────────┤\n\
        │ a13a36 │        8 │          3 │      12 kB │   3.7.0 │\n\
        └────────┴──────────┴────────────┴────────────┴─────────┘\n";
    check(dir, "snapshot status db -w table", 0, table, "");
    let protobuf = "Error: protobuf not supported as output format\n";
    check(dir, "snapshot status db -w protobuf", 4, "", protobuf);
    let unknown = "Error: unsupported output format\n";
    check(dir, "snapshot status db -w xml", 4, "", unknown);
    let one = "Error: snapshot status requires exactly one argument\n";
    check(dir, "snapshot status", 128, "", one);
    check(dir, "snapshot status db db -w xml", 128, "", one);
    let missing = "Error: stat no: no such file or directory\n";
    check(dir, "snapshot status no -w xml", 1, "", missing);
}

/// A damaged backup must be found out before it is needed.
#[test]
fn damage_is_reported() {
    let dir = sample();
    let file = RealDir::new(dir.path())
        .open("db", OpenMode::Write)
        .unwrap();
    file.write_all_at(&[0; 2], 2 * u64::from(PAGE_SIZE) + 10)
        .unwrap();
    file.write_all_at(&[9], 2 * u64::from(PAGE_SIZE)).unwrap();
    drop(file);
    check(
        dir.path(),
        "snapshot status db",
        1,
        "",
        "Error: snapshot file integrity check failed. 1 errors found.\npage 2: page has id 9\n",
    );
    std::fs::write(dir.path().join("text"), "no database").unwrap();
    let text = "Error: invalid database\n";
    check(dir.path(), "snapshot status text", 1, "", text);
    check(dir.path(), "hashkv text", 1, "", text);
}

/// The hash is what members compare: another value is a false alarm or a missed one.
#[test]
fn hashkv() {
    let dir = sample();
    let dir = dir.path();
    let before = std::fs::read(dir.join("db")).unwrap();
    check(dir, "hashkv db", 0, "702876579, 8, 6\n", "");
    check(dir, "hashkv db --rev 6", 0, "338885867, 6, 6\n", "");
    check(dir, "hashkv --rev=7 db", 0, "1268726441, 7, 6\n", "");
    check(
        dir,
        "hashkv db -w json",
        0,
        "{\"hash\":702876579,\"hashRevision\":8,\"compactRevision\":6}\n",
        "",
    );
    check(
        dir,
        "hashkv db -w fields",
        0,
        "\"Hash\" : 702876579\n\
        \"Hash revision\" : 8\n\
        \"Compact revision\" : 6\n",
        "",
    );
    check(
        dir,
        "hashkv db -w table",
        0,
        "┌───────────┬───────────────┬──────────────────┐\n\
        │   HASH    │ HASH REVISION │ COMPACT REVISION │\n\
        ├───────────┼───────────────┼──────────────────┤\n\
        │ 702876579 │             8 │                6 │\n\
        └───────────┴───────────────┴──────────────────┘\n",
        "",
    );
    let compacted = "Error: mvcc: required revision has been compacted\n";
    check(dir, "hashkv db --rev 5", 1, "", compacted);
    let future = "Error: mvcc: required revision is a future revision\n";
    check(dir, "hashkv db --rev 9", 1, "", future);
    assert_eq!(std::fs::read(dir.join("db")).unwrap(), before);
}

/// Reading a database while a server writes it would give nonsense.
#[test]
fn a_database_in_use_is_not_read() {
    let dir = sample();
    let server = RealDir::new(dir.path())
        .open("db", OpenMode::Write)
        .unwrap();
    server.try_lock(LockKind::Flock).unwrap();
    for args in [
        "hashkv db --timeout 1ms",
        "snapshot status db --timeout=1ms",
    ] {
        let text = "Error: lock db: another process has the database open (waited 1ms)\n";
        check(dir.path(), args, 1, "", text);
    }
}

/// Scripts tell mistakes apart by these texts and codes.
#[test]
fn mistakes() {
    let unknown = "Error: unknown command \"foo\" for \"etcdutl\"\n";
    let err = format!("{unknown}Run 'etcdutl --help' for usage.\n{unknown}");
    check(Path::new("."), "foo --bar", 1, "", &err);
    check_usage("--bogus", "unknown flag: --bogus");
    check_usage("hashkv -z", "unknown shorthand flag: 'z' in -z");
    check_usage("hashkv", "accepts 1 arg(s), received 0");
    check_usage("hashkv x -w", "flag needs an argument: 'w' in -w");
    check_usage("hashkv --rev", "flag needs an argument: --rev");
    check_usage(
        "hashkv --rev x y",
        "invalid argument \"x\" for \"--rev\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
    );
    check_usage("defrag", "required flag(s) \"data-dir\" not set");
    check_usage(
        "migrate --force=true",
        "required flag(s) \"data-dir\", \"target-version\" not set",
    );
    check_usage(
        "completion foo",
        "invalid argument \"foo\" for \"etcdutl completion\"",
    );
    check_usage("completion", "accepts 1 arg(s), received 0");
    let here = Path::new(".");
    let one = "Error: snapshot restore requires exactly one argument\n";
    check(here, "snapshot restore", 128, "", one);
    let together = "Error: --mark-compacted required if --revision-bump > 0\n";
    check(
        here,
        "snapshot restore x --bump-revision 5",
        128,
        "",
        together,
    );
    check(
        here,
        "snapshot restore x --mark-compacted",
        128,
        "",
        together,
    );
    let none = "Error: Failed to defragment etcd data[no] (stat no/member/snap/db: no such file or directory)\n";
    check(here, "defrag --data-dir no", 1, "", none);
    for (version, text) in [
        (
            "3.6.1",
            "wrong target version format, expected \"X.Y\", got \"3.6.1\"",
        ),
        (
            "3.4",
            "target version \"3.4\" not supported. Minimal \"3.5\"",
        ),
    ] {
        let args = format!("migrate --data-dir no --target-version {version}");
        check(here, &args, 128, "", &format!("Error: {text}\n"));
    }
}

/// What is said on standard error without the columns of the log.
fn errors(output: &Output) -> String {
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    let lines = err.lines().filter(|line| line.starts_with("Error: "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Restoring into the wrong place, or as the wrong member, must be found out before anything is written.
#[test]
fn restore_refuses() {
    let dir = sample();
    let dir = dir.path();
    std::fs::create_dir_all(dir.join("full/x")).unwrap();
    std::fs::create_dir_all(dir.join("empty")).unwrap();
    std::fs::write(dir.join("short"), "short").unwrap();
    std::fs::write(dir.join("bare"), [0; 512]).unwrap();
    for (args, text) in [
        (
            "db --name foo",
            "couldn't find local name \"foo\" in the initial cluster configuration",
        ),
        (
            "db --initial-cluster default=ftp://x:1",
            "URL scheme must be http, https, unix, or unixs: ftp://x:1",
        ),
        (
            "db --initial-cluster default=http://127.0.0.1:1,b=http://127.0.0.1:1 --initial-advertise-peer-urls http://127.0.0.1:1",
            "initial cluster b=http://127.0.0.1:1,default=http://127.0.0.1:1 has duplicate url",
        ),
        (
            "db --initial-cluster default=http://127.0.0.1:2 --initial-advertise-peer-urls http://127.0.0.1:1",
            "--initial-cluster has default=http://127.0.0.1:2 but missing from --initial-advertise-peer-urls=http://127.0.0.1:1 (resolved urls: \"http://127.0.0.1:1\" != \"http://127.0.0.1:2\")",
        ),
        (
            "db --data-dir full",
            "data-dir \"full\" not empty or could not be read",
        ),
        (
            "db --data-dir x --wal-dir empty",
            "wal-dir \"empty\" exists",
        ),
        ("no", "open no: no such file or directory"),
        ("short", "seek short: invalid argument"),
        ("bare", "snapshot missing hash but --skip-hash-check=false"),
        ("bare --skip-hash-check", "invalid database"),
    ] {
        let output = etcdutl(dir, &format!("snapshot restore {args}"));
        assert_eq!(errors(&output), format!("Error: {text}"), "{args}");
        assert_eq!(output.status.code(), Some(1), "{args}");
        assert!(output.stdout.is_empty(), "{args}");
        assert!(!dir.join("default.etcd").exists(), "{args}");
    }
    let output = etcdutl(dir, "snapshot restore db");
    let text = errors(&output);
    assert!(text.starts_with("Error: expected sha256 [7 7 7"), "{text}");
    assert!(text.contains("], got ["), "{text}");
}

fn ok(dir: &Path, args: &str) -> String {
    let output = etcdutl(dir, args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{args}: {err}");
    err
}

/// Directories on their way: from a snapshot to ours, to etcd's, through a defragmentation and other
/// versions, with the same hash everywhere.
#[test]
fn directories() {
    let dir = sample();
    let dir = dir.path();
    let restored = ok(
        dir,
        "snapshot restore db --skip-hash-check --data-dir ours --wal-dir log",
    );
    assert!(restored.contains("\trestored snapshot\t{"), "{restored}");
    assert!(restored.contains("\tadded member\t{"), "{restored}");
    assert!(dir.join("ours/member/store").is_dir());
    assert!(
        dir.join("log/0000000000000000-0000000000000000.wal")
            .exists()
    );
    let line = "702876579, 8, 6\n";
    check(dir, "hashkv ours", 0, line, "");
    check(dir, "hashkv ours/member/store", 0, line, "");
    check(dir, "hashkv ours --rev 6", 0, "338885867, 6, 6\n", "");
    let future = "Error: mvcc: required revision is a future revision\n";
    check(dir, "hashkv ours --rev 9", 1, "", future);
    let compacted = "Error: mvcc: required revision has been compacted\n";
    check(dir, "hashkv ours --rev 5", 1, "", compacted);
    assert!(ok(dir, "defrag --data-dir ours").contains("finished defragmenting directory"));
    ok(dir, "migrate --data-dir ours --wal-dir log --to-etcd etcds");
    check(dir, "hashkv etcds/member/snap/db", 0, line, "");
    assert!(
        dir.join("etcds/member/snap/0000000000000001-0000000000000001.snap")
            .exists()
    );
    assert!(ok(dir, "defrag --data-dir etcds").contains("finished defragmenting directory"));
    check(dir, "hashkv etcds/member/snap/db", 0, line, "");
    for name in ["ours --wal-dir log", "etcds"] {
        let migrate = |version: &str| {
            ok(
                dir,
                &format!("migrate --data-dir {name} --target-version {version}"),
            )
        };
        assert!(migrate("3.7").contains("storage version up-to-date"));
        let down = migrate("3.5");
        assert_eq!(down.matches("updated storage version").count(), 2, "{down}");
        assert!(migrate("3.5").contains("storage version up-to-date"));
        let up = migrate("3.6");
        assert_eq!(up.matches("updated storage version").count(), 1, "{up}");
        let output = etcdutl(
            dir,
            &format!("migrate --data-dir {name} --target-version 3.8"),
        );
        let text = "Error: cannot create migration plan: version \"3.8.0\" is not supported";
        assert_eq!(errors(&output), text);
    }
    check(dir, "hashkv etcds/member/snap/db", 0, line, "");
}

/// What needs no file.
#[test]
fn version_help_and_completion() {
    let here = Path::new(".");
    let version = "etcdutl version: 3.7.1\nAPI version: 3.7\n";
    check(here, "version", 0, version, "");
    check(here, "vers ignored -w json", 0, version, "");
    for (args, first) in [
        ("", "Usage:"),
        ("--help", "Usage:"),
        ("help snapshot", "Usage:"),
        ("snapshot", "Usage:"),
        ("snapshot save x", "Usage:"),
        ("completion bash", "# bash completion for etcdutl"),
        ("completion zsh", "#compdef etcdutl"),
        ("completion fish", "# fish completion for etcdutl"),
        (
            "completion powershell",
            "# powershell completion for etcdutl",
        ),
    ] {
        let output = etcdutl(here, args);
        assert_eq!(output.status.code(), Some(0), "{args}");
        let out = String::from_utf8(output.stdout).unwrap();
        assert_eq!(out.lines().next(), Some(first), "{args}");
        assert!(output.stderr.is_empty(), "{args}");
    }
}
