//! The command lines, beside etcd's own.
//!
//! The same script runs twice, each time on a fresh member: with our `etcdctl` and with the published one.
//! What they print, what they refuse and how they exit must be the same, apart from ids, times and sizes.
#![expect(clippy::unwrap_used, reason = "a test")]

mod etcd;
mod etcdutl;
mod formats;
mod mistakes;
mod outcome;
mod script;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{Member, go, program};

use crate::outcome::{Kind, Outcome, run};

const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// A command line program and the member that it talks to.
struct Ctl {
    program: PathBuf,
    member: Member,
    folder: tempfile::TempDir,
}

impl Ctl {
    fn new(program: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let member = Member::start(folder.path(), &[]).unwrap();
        Self {
            program,
            member,
            folder,
        }
    }

    fn on(program: PathBuf, member: Member) -> Self {
        Self {
            program,
            member,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs a line with its variables in front and its input behind `<<<`; `ENDPOINT` is the member's.
    fn run_line(&self, line: &str) -> Outcome {
        let (line, input) = line.split_once(" <<< ").unwrap_or((line, ""));
        let bare = self.member.endpoint().replace("http://", "");
        let line = line.replace("ENDPOINT", &bare);
        let mut command = Command::new(&self.program);
        command
            .env("ETCDCTL_ENDPOINTS", self.member.endpoint())
            .current_dir(self.folder.path());
        let words = words(&line);
        let is_variable = |word: &&String| word.starts_with("ETCDCTL_");
        for variable in words.iter().take_while(is_variable) {
            let (name, value) = variable.split_once('=').unwrap();
            command.env(name, value);
        }
        command.args(words.iter().skip_while(is_variable));
        if line.contains("--endpoints") {
            command.env_remove("ETCDCTL_ENDPOINTS");
        }
        run(command, input).without(&self.secrets())
    }

    /// Runs a line of the script in the member's folder.
    fn run(&self, line: &str, input: &str) -> Outcome {
        let mut command = Command::new(&self.program);
        command
            .args(words(line))
            .env("ETCDCTL_ENDPOINTS", self.member.endpoint())
            .current_dir(self.folder.path());
        run(command, input).without(&self.secrets())
    }

    /// What differs from member to member.
    fn secrets(&self) -> Vec<(String, String)> {
        vec![
            (self.member.endpoint(), "ENDPOINT".to_owned()),
            (self.member.peer_endpoint(), "PEER".to_owned()),
        ]
    }
}

/// Splits a line at blanks; `''` is an empty word and `\n` a new line.
fn words(line: &str) -> Vec<String> {
    let words = line.split(' ').filter(|word| !word.is_empty());
    words
        .map(|word| word.replace("''", "").replace("\\n", "\n"))
        .collect()
}

/// Everything that the script does is the same with both programs.
#[test]
fn etcdctl_is_like_the_published_one() {
    let ours = Ctl::new(program("etcdctl").unwrap());
    let theirs = Ctl::new(go::published("etcdctl", SCRATCH).unwrap());
    let mut differences = Vec::new();
    for step in script::STEPS {
        let (got, want) = (
            ours.run(step.line, step.input),
            theirs.run(step.line, step.input),
        );
        if !got.is_like(&want, step.kind) {
            differences.push(format!(
                "etcdctl {}\nours: {got}\ntheirs: {want}",
                step.line
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    println!("{} command lines are the same", script::STEPS.len());
}

/// What is read from members of either kind is printed alike, in every format.
#[test]
fn formats_are_like_the_published_ones() {
    let (ours, theirs) = programs();
    for server in [None, Some(go::published("server", SCRATCH).unwrap())] {
        let folder = tempfile::tempdir().unwrap();
        let mut member = Member::prepare(&folder.path().join("data"), folder.path()).unwrap();
        member.set_program(server);
        member.restart().unwrap();
        let differences = formats::compare(&ours, &theirs, member);
        assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    }
}

/// Mistakes end alike, and help names the same commands and flags.
#[test]
fn mistakes_are_told_like_by_the_published_one() {
    let (ours, theirs) = programs();
    let folder = tempfile::tempdir().unwrap();
    let mut ctl = Ctl::on(ours.clone(), Member::start(folder.path(), &[]).unwrap());
    assert_eq!(ctl.run("put foo bar", "").code, Some(0));
    let help = mistakes::COMMANDS
        .iter()
        .map(|name| format!("{name} --help"));
    let lines = mistakes::LINES.iter().map(ToString::to_string).chain(help);
    let mut differences = Vec::new();
    let mut count = 0;
    for line in lines {
        let mut tell = |program: &PathBuf| {
            ctl.program.clone_from(program);
            ctl.run_line(&line)
        };
        let (got, want) = (tell(&ours), tell(&theirs));
        count += 1;
        if !got.is_like(&want, Kind::Whole) {
            differences.push(format!("etcdctl {line}\nours: {got}\ntheirs: {want}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    println!("{count} mistakes and help texts are the same");
}

fn programs() -> (PathBuf, PathBuf) {
    let theirs = go::published("etcdctl", SCRATCH).unwrap();
    (program("etcdctl").unwrap(), theirs)
}

/// A watch prints events as they come and goes on until it is told to end.
#[test]
fn watches_print_events() {
    let published = go::published("etcdctl", SCRATCH).unwrap();
    for program in [program("etcdctl").unwrap(), published] {
        let ctl = Ctl::new(program);
        assert_eq!(ctl.run("put k 1", "").code, Some(0));
        let lines = ctl.watch("watch k --prefix --rev 1", 9, |ctl| {
            assert_eq!(ctl.run("put k2 2", "").code, Some(0));
            assert_eq!(ctl.run("del k", "").code, Some(0));
        });
        let want = ["PUT", "k", "1", "PUT", "k2", "2", "DELETE", "k", ""];
        assert_eq!(lines, want);
        let lines = ctl.watch("watch k2 --rev 1 -- echo seen", 4, |_| {});
        assert_eq!(lines, ["PUT", "k2", "2", "seen"]);
    }
}

impl Ctl {
    /// The first lines that a watch prints while `act` changes something.
    fn watch(&self, line: &str, count: usize, act: impl Fn(&Self)) -> Vec<String> {
        let mut watch = Command::new(&self.program)
            .args(words(line))
            .env("ETCDCTL_ENDPOINTS", self.member.endpoint())
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        act(self);
        let rest = lines.take(count - 1).map(Result::unwrap);
        let found = std::iter::once(first).chain(rest).collect();
        watch.kill().unwrap();
        watch.wait().unwrap();
        found
    }
}

/// A snapshot that `etcdctl` saves is described by both `etcdutl`s in the same words, and left as it is.
#[test]
fn snapshots_are_described_alike() {
    let ctl = Ctl::new(program("etcdctl").unwrap());
    for number in 0..200 {
        let line = format!("put key{} {number}", number % 50);
        assert_eq!(ctl.run(&line, "").code, Some(0));
    }
    let file = ctl.folder.path().join("snapshot.db");
    let saved = ctl.run("snapshot save snapshot.db", "");
    assert_eq!(saved.code, Some(0), "{saved}");
    let bytes = std::fs::read(&file).unwrap();
    let published = go::published("etcdutl", SCRATCH).unwrap();
    let ours = program("etcdutl").unwrap();
    for format in ["simple", "json", "fields", "table", "protobuf", "xml"] {
        let status = |program: &Path| {
            let mut command = Command::new(program);
            command
                .args(["snapshot", "status", "-w", format])
                .arg(&file);
            run(command, "")
        };
        let (got, want) = (status(&ours), status(&published));
        assert_eq!(got, want, "-w {format}");
    }
    for format in ["simple", "json"] {
        let hash = |program: &Path| {
            let mut command = Command::new(program);
            command.args(["hashkv", "-w", format]).arg(&file);
            run(command, "").stdout
        };
        // The published one changes what it reads, so ours goes first.
        let (got, unchanged) = (hash(&ours), std::fs::read(&file).unwrap() == bytes);
        assert!(unchanged, "hashkv has changed the file");
        assert_eq!(got, hash(&published), "hashkv -w {format}");
        std::fs::write(&file, &bytes).unwrap();
    }
}

/// A wrong flag is refused as etcd does it.
#[test]
fn etcd_refuses_what_it_does_not_know() {
    let etcd = |arguments: &[&str]| {
        let mut command = Command::new(program("etcd").unwrap());
        command.args(arguments);
        run(command, "")
    };
    for flag in ["-bogus", "--bogus", "--bogus=1", "--experimental-x"] {
        let refused = etcd(&[flag]);
        let name = flag.trim_start_matches('-').trim_end_matches("=1");
        assert_eq!(refused.code, Some(2), "{refused}");
        let text = format!("flag provided but not defined: -{name}");
        assert!(refused.stderr.contains(&text), "{refused}");
    }
    let refused = etcd(&["--max-txn-ops", "many"]);
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused
            .stderr
            .contains("invalid value \"many\" for flag -max-txn-ops"),
        "{refused}"
    );
    let version = etcd(&["--version"]);
    assert_eq!(version.code, Some(0));
    assert!(
        version.stdout.starts_with("etcd Version: 3.7.1\n"),
        "{version}"
    );
}
