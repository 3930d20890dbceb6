//! `etcdctl`, as users run it.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::program;

/// How long something may take to come true on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `etcdctl` to its end; what it printed.
///
/// # Errors
/// When it fails: what it complained of is part of the error.
pub fn run(endpoints: &[String], line: &[&str]) -> Result<String> {
    let output = Command::new(program("etcdctl")?)
        .arg(format!("--endpoints={}", endpoints.join(",")))
        .args(["--command-timeout=20s", "--dial-timeout=10s"])
        .args(line)
        .env_clear()
        .output()?;
    ensure!(
        output.status.success(),
        "etcdctl {} failed with {}\n{}{}",
        line.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs `etcdctl` with its answer in JSON.
///
/// # Errors
/// As [`run`].
pub fn json(endpoints: &[String], line: &[&str]) -> Result<Value> {
    let mut line = line.to_vec();
    line.extend(["-w", "json"]);
    let text = run(endpoints, &line)?;
    serde_json::from_str(&text).with_context(|| format!("{} answered {text}", line.join(" ")))
}

/// Asks a member's plain HTTP endpoint.
///
/// # Errors
/// When it does not answer.
pub fn http_get(endpoint: &str, path: &str) -> Result<String> {
    let place = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(place)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n"
    )?;
    Ok(std::io::read_to_string(stream)?)
}

/// Looks again and again until `holds` has something.
///
/// # Errors
/// When it takes too long; the last reason why not is part of the error.
pub fn eventually<T>(what: &str, mut holds: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match holds() {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("never came true: {what}")));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
