//! The program from outside, as far as it needs no cluster: exit codes, stderr, help.
#![expect(
    clippy::unwrap_used,
    reason = "a failed start of the program fails the test"
)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// An address at which nobody listens.
const NOBODY: &str = "127.0.0.1:1";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etcdctl"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ETCDCTL_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    program().args(words).output().unwrap()
}

fn run_with_input(words: &[&str], input: &str) -> Output {
    let mut command = program();
    command.args(words).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn check(words: &[&str], code: i32, first_error: &str) {
    let output = run(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line = stderr.lines().find(|line| !line.starts_with('{'));
    assert_eq!(output.status.code(), Some(code), "{words:?}: {stderr}");
    assert_eq!(line.unwrap_or_default(), first_error, "{words:?}");
}

fn check_stdout(words: &[&str], code: i32, begin: &str) {
    let output = run(words);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{words:?}");
    assert!(stdout.starts_with(begin), "{words:?}: {stdout}");
}

/// Scripts branch on these codes before any member is asked.
#[test]
fn wrong_arguments_end_with_128() {
    for (words, message) in [
        (
            &["get"][..],
            "get command needs one argument as key and an optional argument as range_end",
        ),
        (
            &["get", "a", "b", "--prefix"],
            "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
        ),
        (
            &["put"],
            "put command needs 1 argument and input from stdin or 2 arguments",
        ),
        (
            &["put", "a", "b", "--lease", "zz"],
            r#"bad lease ID (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex"#,
        ),
        (
            &["put", "a", "b", "--ignore-value"],
            "put command needs only 1 argument when 'ignore-value' is set",
        ),
        (
            &["del"],
            "del command needs one argument as key and an optional argument as range_end",
        ),
        (&["txn", "x"], "txn command does not accept argument"),
        (&["watch"], "bad number of arguments"),
        (
            &["watch", "a", "--"],
            "bad number of arguments (found separator --, but no commands)",
        ),
        (
            &["lease", "grant"],
            "lease grant command needs TTL argument",
        ),
        (
            &["lease", "grant", "abc"],
            r#"bad TTL (strconv.ParseInt: parsing "abc": invalid syntax)"#,
        ),
        (
            &["lease", "timetolive", "zz"],
            r#"bad lease ID arg (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex"#,
        ),
        (&["compaction"], "compaction command needs 1 argument"),
        (&["member", "add"], "member name not provided"),
        (&["member", "add", "n1"], "member peer urls not provided"),
        (
            &["member", "add", "n1", "http://x:1"],
            "too many arguments, did you mean --peer-urls=http://x:1",
        ),
        (&["member", "remove"], "member ID is not provided"),
        (
            &["member", "remove", "zz"],
            r#"bad member ID arg (strconv.ParseUint: parsing "zz": invalid syntax), expecting ID in Hex"#,
        ),
        (&["move-leader"], "move-leader command needs 1 argument"),
        (&["downgrade", "enable"], "TARGET_VERSION not provided"),
        (
            &["alarm", "list", "x"],
            "alarm list command accepts no arguments",
        ),
        (
            &["snapshot", "save"],
            "snapshot save expects one argument <filename>",
        ),
        (&["elect", "x"], "no proposal argument but -l not set"),
        (&["elect", "x", "y", "-l"], "proposal given but -l is set"),
        (&["user", "add", ":x"], "empty user name is not allowed"),
        (
            &["role", "grant-permission", "r", "bogus", "k"],
            "invalid permission type: bogus",
        ),
        (
            &[
                "role",
                "grant-permission",
                "r",
                "read",
                "k",
                "e",
                "--prefix",
            ],
            "unexpected endkey argument with --prefix flag",
        ),
        (
            &["get", "a", "--cert", "foo"],
            "KeyFile and CertFile must both be present[key: , cert: foo]",
        ),
        (
            &["get", "a", "--cacert", "/no/such"],
            "open /no/such: no such file or directory",
        ),
        (
            &["get", "a", "--cacert", "/dev/null"],
            "tls: failed to find any PEM data in certificate file /dev/null",
        ),
    ] {
        check(words, 128, &format!("Error: {message}"));
    }
}

/// Each kind of mistake has its own code.
#[test]
fn other_mistakes_have_their_codes() {
    for (words, code, message) in [
        (
            &["get", "a", "-w", "bogus"][..],
            4,
            "unsupported output format",
        ),
        (
            &["get", "a", "--consistency", "x"],
            4,
            "unknown consistency flag \"x\"",
        ),
        (
            &["check", "perf", "--load", "foo"],
            4,
            "unknown load option foo",
        ),
        (
            &["compaction", "abc"],
            1,
            r#"strconv.ParseInt: parsing "abc": invalid syntax"#,
        ),
        (&["get", "a", "--bogus"], 1, "unknown flag: --bogus"),
        (
            &["lease", "grant", "-5"],
            1,
            "unknown shorthand flag: '5' in -5",
        ),
        (
            &["get", "a", "--dial-timeout", "abc"],
            1,
            r#"invalid argument "abc" for "--dial-timeout" flag: time: invalid duration "abc""#,
        ),
        (&["l"], 1, r#"unknown command "l" for "etcdctl""#),
        (
            &["completion", "foo"],
            1,
            r#"invalid argument "foo" for "etcdctl completion""#,
        ),
        (&["txn"], 3, "EOF"),
        (
            &["snapshot", "save", "/no/such/x"],
            5,
            "could not open /no/such/x.part (open /no/such/x.part: no such file or directory)",
        ),
        (
            &["snapshot", "save", "x", "--endpoints", "a:1,b:1"],
            5,
            "snapshot must be requested to one selected node, not multiple [a:1 b:1]",
        ),
        (
            &["get", "a", "--endpoints", ""],
            2,
            "etcdclient: no available endpoints",
        ),
    ] {
        check(words, code, &format!("Error: {message}"));
    }
}

/// A member that is not there ends a short command after its time, with the same code as etcdctl.
#[test]
fn nobody_listening_is_a_timeout() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("x.db").to_string_lossy().into_owned();
    for (words, code, message) in [
        (&["get", "a"][..], 1, "context deadline exceeded"),
        (&["put", "a", "b"], 1, "context deadline exceeded"),
        (
            &["lease", "grant", "9"],
            1,
            "failed to grant lease (context deadline exceeded)",
        ),
        (
            &["snapshot", "save", &target],
            5,
            "context deadline exceeded",
        ),
    ] {
        let global = ["--endpoints", NOBODY, "--command-timeout", "300ms"];
        let words: Vec<&str> = words.iter().copied().chain(global).collect();
        check(&words, code, &format!("Error: {message}"));
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0, "a part is left");
    let words = [
        "endpoint",
        "status",
        "--endpoints",
        NOBODY,
        "--command-timeout",
        "300ms",
    ];
    let message = "Failed to get the status of endpoint 127.0.0.1:1 (context deadline exceeded)";
    check(&words, 1, message);
    let words = [
        "endpoint",
        "health",
        "--endpoints",
        NOBODY,
        "--command-timeout",
        "300ms",
    ];
    let message = "127.0.0.1:1 is unhealthy: failed to commit proposal: context deadline exceeded";
    check(&words, 1, message);
}

/// Help is on stdout and never a failure.
#[test]
fn help_is_no_failure() {
    check_stdout(&[], 0, "The command line client");
    check_stdout(&["--help"], 0, "The command line client");
    check_stdout(
        &["get", "-h"],
        0,
        "Gets a key or a range of keys\n\nUsage:\n  etcdctl get [options] <key> [range_end] [flags]\n\nFlags:\n      --consistency string",
    );
    check_stdout(&["help", "lease", "grant"], 0, "Creates a lease");
    check_stdout(
        &["lease"],
        0,
        "Commands about leases\n\nUsage:\n  etcdctl lease [command]\n\nAvailable Commands:\n  grant       ",
    );
    check_stdout(&["snapshot", "status", "x"], 0, "Saves snapshots");
    check_stdout(
        &["options"],
        0,
        "The following options can be passed to any command:\n\n      --auth-jwt-token string ",
    );
    check_stdout(
        &["version", "-w", "json"],
        0,
        "etcdctl version: 3.7.1\nAPI version: 3.7\n",
    );
    check_stdout(&["vers"], 0, "etcdctl version: 3.7.1\n");
    let help = run(&["endpoint", "status", "--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("\nGlobal Flags:\n      --cluster   "));
    assert!(!text.contains("--endpoints"));
}

/// A shell that loads the script must learn every command.
#[test]
fn completion_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let output = run(&["completion", shell]);
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["make-mirror", "timetolive", "write-out", "prev-kv"] {
            assert!(script.contains(word), "{shell} {word}");
        }
    }
}

/// A typing mistake is answered with what is similar.
#[test]
fn unknown_commands_get_suggestions() {
    let output = run(&["gt", "foo"]);
    let expected = "Error: unknown command \"gt\" for \"etcdctl\"\n\nDid you mean this?\n\tget\n\tput\n\n\
                    Run 'etcdctl --help' for usage.\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

/// Containers are configured by variables; two sources for one setting are a mistake.
#[test]
fn the_environment_is_read() {
    let run = |name: &str, value: &str, words: &[&str]| {
        program().env(name, value).args(words).output().unwrap()
    };
    let timed = ["get", "a", "--command-timeout", "200ms"];
    let both = run(
        "ETCDCTL_ENDPOINTS",
        NOBODY,
        &["get", "a", "--endpoints", NOBODY],
    );
    let stderr = String::from_utf8(both.stderr).unwrap();
    assert_eq!(both.status.code(), Some(1));
    assert!(stderr.contains("conflicting environment variable is shadowed by corresponding"));
    // The second parenthesis is etcd's.
    assert!(stderr.contains("disable flag))\""), "{stderr}");
    assert!(stderr.contains(r#""environment-variable":"ETCDCTL_ENDPOINTS""#));

    let unknown = run(
        "ETCDCTL_API",
        "3",
        &[&timed[..], &["--endpoints", NOBODY]].concat(),
    );
    let stderr = String::from_utf8(unknown.stderr).unwrap();
    assert!(stderr.contains(r#""msg":"unrecognized environment variable""#));
    assert!(stderr.ends_with("Error: context deadline exceeded\n"));

    let format = run("ETCDCTL_WRITE_OUT", "bogus", &["get", "a"]);
    assert_eq!(format.status.code(), Some(4));
    let debug = run(
        "ETCDCTL_DEBUG",
        "true",
        &[&timed[..], &["--endpoints", NOBODY]].concat(),
    );
    let stderr = String::from_utf8(debug.stderr).unwrap();
    assert!(stderr.starts_with("ETCDCTL_AUTH_JWT_TOKEN=\n"));
    assert!(stderr.contains("ETCDCTL_COMMAND_TIMEOUT=200ms\n"));
}

/// A transaction with a mistake must end before anything is sent.
#[test]
fn transactions_are_checked_first() {
    for (input, code, message) in [
        (
            "mod(foo) > \"0\"\n",
            3,
            "malformed comparison: mod(foo) > \"0\"; got mod(\"\")  \"\"",
        ),
        ("\nput a \"\\q\"\n", 3, "invalid syntax"),
        ("\nfoo a\n\n\n", 3, "invalid txn request: foo a"),
        ("\nput a b\n\n", 3, "EOF"),
        (
            "\nput a b --lease zz\n\n\n",
            128,
            r#"bad lease ID (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex"#,
        ),
    ] {
        let output = run_with_input(&["txn", "--endpoints", NOBODY], input);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, format!("Error: {message}\n"), "{input}");
        assert_eq!(output.status.code(), Some(code), "{input}");
    }
}
