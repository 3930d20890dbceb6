//! A member that runs for a test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::run::program;

/// A running member; it is killed when the test ends before it does.
pub(crate) struct Member {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// The log so far.
    pub(crate) lines: Vec<Value>,
    /// Where HTTP and gRPC are served.
    pub(crate) address: String,
}

impl Member {
    /// A command that starts a member on ports of its own choice.
    pub(crate) fn command(data_dir: &Path) -> Command {
        let mut command = program();
        command.arg("--data-dir").arg(data_dir).args([
            "--listen-peer-urls=http://127.0.0.1:0",
            "--listen-client-urls=http://127.0.0.1:0",
            "--advertise-client-urls=http://127.0.0.1:2379",
        ]);
        command
    }

    /// Starts a member and waits until it serves.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut member = Self {
            child,
            stderr,
            lines: Vec::new(),
            address: String::new(),
        };
        member.wait_for("ready to serve client requests");
        let insecure = "serving client traffic insecurely; this is strongly discouraged!";
        let line = member.wait_for(insecure);
        line["address"]
            .as_str()
            .unwrap()
            .clone_into(&mut member.address);
        member.wait_for("successfully notified init daemon");
        member
    }

    /// Reads the log up to the line with that message.
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        let mut line = String::new();
        while self.stderr.read_line(&mut line).unwrap() > 0 {
            let value: Value = serde_json::from_str(&line).unwrap();
            self.lines.push(value.clone());
            if value["msg"] == message {
                return value;
            }
            line.clear();
        }
        panic!("no {message:?} in {:?}", self.lines);
    }

    /// The line with that message among those read.
    pub(crate) fn line(&self, message: &str) -> &Value {
        let line = self.lines.iter().find(|line| line["msg"] == message);
        line.unwrap_or_else(|| panic!("no {message:?} in {:?}", self.lines))
    }

    /// The body of an HTTP answer.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Sends a signal and gives the signal that the process ended by.
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).unwrap();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let rest = rest.lines().map(|line| serde_json::from_str(line).unwrap());
        self.lines.extend(rest);
        self.child.wait().unwrap().signal()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
