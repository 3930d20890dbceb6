//! `etcdctl` on a terminal: passwords are asked for and not shown, as by the published program.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Member, go, program, repository, tool};
use serde_json::{Value, json};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Runs a command line on a terminal and answers what it asks: the exit code, and what was shown.
fn run(program: &Path, member: &Member, line: &str, answers: &Value) -> Outcome<(i32, String)> {
    let output = Command::new("python3")
        .arg(repository("test/interop/python/prompts.py"))
        .arg(answers.to_string())
        .arg(program)
        .args(["--endpoints", &member.endpoint(), "--command-timeout=30s"])
        .args(line.split(' '))
        .output()?;
    let error = String::from_utf8(output.stderr)?;
    assert_eq!(error, "", "{line}");
    let code = output.status.code().ok_or("killed")?;
    Ok((code, String::from_utf8(output.stdout)?))
}

/// Asks for a new password twice.
fn twice(name: &str, first: &str, second: &str) -> Value {
    json!([
        [format!("Password of {name}: "), first],
        [
            format!("Type password of {name} again for confirmation: "),
            second
        ],
    ])
}

fn check(program: &Path) -> Outcome {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &[])?;
    let secret = "correct horse";
    let none = json!([]);
    let login = json!([["Password: ", secret]]);
    let cases = [
        (
            "user add root",
            twice("root", secret, secret),
            0,
            "User root created",
        ),
        (
            "user add bob",
            twice("bob", "one", "two"),
            128,
            "given passwords are different",
        ),
        (
            "user add bob",
            twice("bob", "first one", "first one"),
            0,
            "User bob created",
        ),
        (
            "user grant-role root root",
            none.clone(),
            0,
            "Role root is granted to user root",
        ),
        ("auth enable", none.clone(), 0, "Authentication Enabled"),
        ("--user root user list", login.clone(), 0, "bob\nroot\n"),
        (
            "--user root user list",
            json!([["Password: ", "a guess"]]),
            2,
            "authentication failed",
        ),
        (
            "--user root:correct\u{a0}horse user list",
            none.clone(),
            2,
            "authentication failed",
        ),
        (
            "--user bob --password first user list",
            none,
            2,
            "authentication failed",
        ),
    ];
    for (line, answers, code, shown) in cases {
        let (found, text) = run(program, &member, line, &answers)?;
        assert_eq!(found, code, "{line}: {text}");
        assert!(text.contains(shown), "{line}: {text}");
    }
    // Who asks, and whose password is changed.
    let line = "--user root user passwd bob";
    let answers = [
        twice("bob", "second one", "second one")
            .as_array()
            .cloned()
            .unwrap_or_default(),
        login.as_array().cloned().unwrap_or_default(),
    ];
    let (code, text) = run(program, &member, line, &json!(answers.concat()))?;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Password updated"), "{text}");
    let login = json!([["Password: ", "second one"]]);
    let (code, text) = run(program, &member, "--user bob get k", &login)?;
    // Bob is known now, and has no rights.
    assert!(
        code != 0 && text.contains("permission denied"),
        "{code}: {text}"
    );
    Ok(())
}

#[test]
fn passwords_are_asked_for() -> Outcome {
    tool::require("python3", "--version")?;
    let programs: [PathBuf; 2] = [
        go::published("etcdctl", env!("CARGO_TARGET_TMPDIR"))?,
        program("etcdctl")?,
    ];
    for program in &programs {
        check(program)?;
    }
    Ok(())
}
