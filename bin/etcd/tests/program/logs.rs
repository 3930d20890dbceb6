//! The form of log lines, and where they go.

use rustix::process::Signal;

use super::member::Member;
use super::run::{program, run};

/// Collectors parse every line of a member's life.
#[test]
fn every_line_has_zaps_form() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = Member::start(&mut Member::command(dir.path()));
    member.end(Signal::TERM);
    for line in &member.lines {
        let text = |key: &str| {
            line[key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key}: {line}"))
        };
        assert!(["debug", "info", "warn", "error"].contains(&text("level")));
        let stamp = text("ts");
        assert_eq!(
            (stamp.len(), &stamp[10..11], &stamp[26..]),
            (27, "T", "Z"),
            "{stamp}"
        );
        let (file, number) = text("caller").split_once(':').unwrap();
        assert!(
            file.ends_with(".rs") && file.matches('/').count() == 1,
            "{file}"
        );
        assert!(number.parse::<u32>().is_ok());
        assert!(!text("msg").is_empty());
    }
    let leader = member
        .lines
        .iter()
        .find(|line| line["logger"] == "raft")
        .unwrap();
    assert!(
        leader["msg"]
            .as_str()
            .unwrap()
            .contains(" became leader at term ")
    );
}

#[test]
fn files_and_console() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("etcd.log");
    let outputs = format!("--log-outputs={},stdout", path.display());
    let ended = run(program().args([&outputs, "--log-format=console", "--max-learners=-1"]));
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.is_empty());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, ended.stdout);
    let last: Vec<&str> = text.lines().last().unwrap().split('\t').collect();
    assert_eq!(last[1], "warn");
    assert_eq!(last[3], "failed to verify flags");
    assert_eq!(
        last[4],
        "{\"error\": \"membership: too many learner members in cluster\"}"
    );
}

#[test]
fn nothing() {
    let ended = run(program().args(["--log-outputs=stderr,/dev/null", "--max-learners=-1"]));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    let ended = run(program().args(["--log-level=error", "--max-learners=-1"]));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
}
