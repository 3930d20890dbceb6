//! `--help` and `--version`.

use std::path::Path;

use super::run::run_line;

/// Compares with a file that is written anew with `UPDATE=1`.
fn check_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/program/golden")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(golden, text, "{name} differs; UPDATE=1 writes it anew");
}

/// Help goes to both streams: the forms to standard error, the flags to standard output.
#[test]
fn help() {
    for flag in ["-h", "--help"] {
        let ended = run_line(flag);
        assert_eq!(ended.status, Some(0));
        check_golden("flags.txt", &ended.stdout);
        check_golden("usage.txt", &ended.stderr);
    }
}

#[test]
fn version() {
    // It wins over values that would be refused later.
    for line in [
        "--version",
        "--version --cert-file x",
        "--heartbeat-interval 0 -version=true",
    ] {
        let ended = run_line(line);
        assert_eq!(ended.status, Some(0), "{line}");
        assert!(
            ended.stdout.starts_with("etcd Version: 3.7.1\n"),
            "{}",
            ended.stdout
        );
        assert_eq!(ended.stdout.lines().count(), 4);
        assert!(ended.stderr.is_empty());
    }
}
