//! Running the program to its end.

use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run left.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program with nothing of the caller's environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etcd"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program with the words of `line`.
pub(crate) fn run_line(line: &str) -> Ended {
    run(program().args(line.split_whitespace()))
}

impl Ended {
    /// The log lines of standard error.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.stderr.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The log line with that message.
    pub(crate) fn line(&self, message: &str) -> Value {
        let line = self.lines().into_iter().find(|line| line["msg"] == message);
        line.unwrap_or_else(|| panic!("no {message:?} in {}", self.stderr))
    }
}
