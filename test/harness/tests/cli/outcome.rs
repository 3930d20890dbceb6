//! What a program did, in a form in which two runs can be compared.

use std::fmt::{self, Display};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Whoever has not ended by then serves, or waits for something.
const LIMIT: Duration = Duration::from_secs(30);

/// How much of two outcomes must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All of it.
    Exact,
    /// All but numbers, and the widths of columns that follow from them.
    Numbers,
    /// The same lines in any order: what is printed first is not promised.
    Unordered,
    /// The exit code and the error alone.
    Code,
    /// All of it with what stands on stderr, but for logs and the sentences of help texts.
    Whole,
}

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    /// The lines that begin with `Error:`; the rest is logs and usage.
    pub(crate) errors: Vec<String>,
    pub(crate) stderr: String,
}

/// Runs a program to its end, which it must come to by itself: else its exit code is missing.
pub(crate) fn run(mut command: Command, input: &str) -> Outcome {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who reads no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let watched = watch(&child);
    let output = child.wait_with_output().unwrap();
    drop(watched);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors = stderr.lines().filter(|line| line.starts_with("Error:"));
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: errors.map(str::to_owned).collect(),
        stderr,
    }
}

/// Ends a program that has not ended in time; until then, what is returned is kept.
fn watch(child: &Child) -> mpsc::Sender<()> {
    let id = rustix::process::Pid::from_child(child);
    let (kept, ended) = mpsc::channel();
    thread::spawn(move || {
        if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
    });
    kept
}

impl Outcome {
    /// Without texts that differ from member to member.
    pub(crate) fn without(mut self, secrets: &[(String, String)]) -> Self {
        for (secret, name) in secrets {
            let bare = secret.trim_start_matches("http://");
            for text in [&mut self.stdout, &mut self.stderr] {
                *text = text.replace(secret, name).replace(bare, name);
            }
            for error in &mut self.errors {
                *error = error.replace(secret, name).replace(bare, name);
            }
        }
        self
    }

    pub(crate) fn is_like(&self, other: &Self, kind: Kind) -> bool {
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        let is_same = match kind {
            Kind::Exact => self.stdout == other.stdout,
            Kind::Numbers => without_numbers(&self.stdout) == without_numbers(&other.stdout),
            Kind::Unordered => lines(&self.stdout) == lines(&other.stdout),
            Kind::Code => true,
            Kind::Whole => {
                without_prose(&self.stdout) == without_prose(&other.stdout)
                    && without_prose(&self.stderr) == without_prose(&other.stderr)
            }
        };
        is_same && self.code == other.code && self.errors == other.errors
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| code.to_string());
        write!(f, "exit {code}\n{}{}", self.stdout, self.stderr)
    }
}

/// Without logs, and with flags and commands alone where they are explained: everybody explains in
/// words of their own.
fn without_prose(text: &str) -> String {
    let is_log = |line: &&str| line.starts_with("{\"level\"") || line.starts_with("stty: ");
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !is_log(line))
        .map(bare)
        .collect();
    let text = lines.join("\n");
    match text.split_once("Usage:\n") {
        // What a command is for stands before how it is used; a complaint is not explained.
        Some((about, usage)) if !about.starts_with("Error:") => format!("Usage:\n{usage}"),
        _ => text,
    }
}

/// A line of a help text without what explains it.
fn bare(line: &str) -> String {
    let Some(text) = line.strip_prefix("  ") else {
        return line.to_owned();
    };
    let text = text.trim_start();
    let is_default = |text: &&str| text.ends_with(')');
    let default = text.rsplit_once(" (default ").map(|(_, value)| value);
    match text.chars().next() {
        Some('-') => {
            let flag = text.split_once("   ").map_or(text, |(flag, _)| flag);
            format!("{flag} {}", default.filter(is_default).unwrap_or_default())
        }
        Some(_) if !text.starts_with("etcd") => text.split(' ').take(1).collect(),
        _ => text.to_owned(),
    }
}

/// Numbers, hexadecimal ones and those with units too, become `#`; what makes columns wide goes.
fn without_numbers(text: &str) -> String {
    let is_outside = |c: char| !c.is_ascii_alphanumeric() && c != '.' && c != 'µ';
    let mut plain = String::new();
    for word in text.split_inclusive(is_outside) {
        let core = word.trim_end_matches(is_outside);
        let is_number = core.contains(|c: char| c.is_ascii_digit());
        plain.push_str(if is_number { "#" } else { core });
        plain.push_str(&word[core.len()..]);
    }
    plain.retain(|c| c != '─' && c != ' ');
    plain
}
