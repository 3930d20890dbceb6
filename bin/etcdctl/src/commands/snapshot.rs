//! `snapshot`: downloads a member's store into a file.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::{Client, ClientError};
use notation::size;
use sha2::{Digest as _, Sha256};

use super::operands::only;
use crate::exit::{Exit, INTERRUPTED};
use crate::flags::{Command, Run, group};
use crate::invocation::Invocation;
use crate::log::{Level, log};
use crate::print;
use crate::secure::io_reason;
use notation::duration;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "snapshot",
    about: "Saves snapshots of members",
    group: group::CLUSTER,
    children: &[Command {
        name: "save",
        operands: "<filename>",
        about: "Saves a snapshot of one member's store to a file",
        details: "Saves a snapshot of one member's store to a file.

For example:
  etcdctl --endpoints 127.0.0.1:2379 snapshot save /backup/etcd.db",
        run: Run::Do(|invocation| Box::pin(save(invocation))),
        ..Command::EMPTY
    }],
    ..Command::EMPTY
};

/// Stores are made of pages that are a multiple of this, in bytes.
const SECTOR: u64 = 512;
/// What follows the store in a snapshot: its SHA-256.
const CHECKSUM: u64 = 32;
/// How often a terminal is told how far the download is.
const REPORT_EVERY: Duration = Duration::from_millis(200);

async fn save(invocation: Invocation) -> Result<(), Exit> {
    let path = only(
        &invocation.arguments,
        "snapshot save expects one argument <filename>",
    )?;
    let session = invocation.session()?;
    let endpoints = &session.config.endpoints;
    let [endpoint] = &endpoints[..] else {
        let message = format!(
            "snapshot must be requested to one selected node, not multiple [{}]",
            endpoints.join(" ")
        );
        return Err(failed(message));
    };
    let mut client = session
        .client()
        .await
        .map_err(|exit| exit.with_code(INTERRUPTED))?;
    if session.timeout_given {
        client = client.within(session.timeout);
    }
    let version = download(&client, endpoint, Path::new(&path)).await?;
    print::line(&format!("Snapshot saved at {path}"))?;
    if !version.is_empty() {
        print::line(&format!("Server version {version}"))?;
    }
    Ok(())
}

/// Downloads to a file beside `path` and renames it when it is whole; returns the version.
async fn download(client: &Client, endpoint: &str, path: &Path) -> Result<String, Exit> {
    let start = Instant::now();
    let mut part = Part::create(path)?;
    log(
        Level::Info,
        "created temporary db file",
        &[("path", &part.path.to_string_lossy())],
    );
    let mut stream = client.snapshot().await.map_err(interrupted)?;
    log(
        Level::Info,
        "opened snapshot stream; downloading",
        &[("logger", "client")],
    );
    log(Level::Info, "fetching snapshot", &[("endpoint", endpoint)]);
    let (mut size, mut version) = (0_u64, String::new());
    let (mut trailer, mut meter) = (Trailer::default(), Meter::default());
    while let Some(answer) = stream.next().await.map_err(interrupted)? {
        part.file
            .write_all(&answer.blob)
            .map_err(|error| failed(io_reason(&error)))?;
        size += answer.blob.len() as u64;
        trailer.add(&answer.blob);
        meter.show(size, answer.remaining_bytes);
        version = answer.version;
    }
    log(
        Level::Info,
        "completed snapshot read; closing",
        &[("logger", "client")],
    );
    if size % SECTOR != CHECKSUM {
        return Err(failed(format!("sha256 checksum not found [bytes: {size}]")));
    }
    if !trailer.matches() {
        return Err(failed(format!(
            "sha256 checksum does not match [bytes: {size}]"
        )));
    }
    part.finish(path)?;
    let took = duration::format(start.elapsed());
    let size = size::human(size);
    let details = [
        ("endpoint", endpoint),
        ("size", &size),
        ("took", &took),
        ("etcd-version", &version),
    ];
    log(Level::Info, "fetched snapshot", &details);
    log(Level::Info, "saved", &[("path", &path.to_string_lossy())]);
    Ok(version)
}

/// The checksum of everything but the last bytes, which are to be the same.
#[derive(Default)]
struct Trailer {
    digest: Sha256,
    last: Vec<u8>,
}

impl Trailer {
    fn add(&mut self, blob: &[u8]) {
        self.last.extend_from_slice(blob);
        let whole = self.last.len().saturating_sub(CHECKSUM as usize);
        self.digest.update(&self.last[..whole]);
        self.last.drain(..whole);
    }

    fn matches(self) -> bool {
        self.digest.finalize()[..] == self.last[..]
    }
}

/// How far the download is, on one line of a terminal; in a pipe nothing is said.
#[derive(Default)]
struct Meter(Option<Instant>);

impl Meter {
    fn show(&mut self, done: u64, remaining: u64) {
        let is_due = self.0.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
        if is_due && std::io::stderr().is_terminal() {
            self.0 = Some(Instant::now());
            let percent = done * 100 / (done + remaining).max(1);
            eprint!("\rsaving: {percent} %");
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.0.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Failures of a stream are shown with their code, even those that etcd has words for.
fn interrupted(error: ClientError) -> Exit {
    if let ClientError::Server(known) = &error {
        let code = known.code().name();
        return failed(format!("rpc error: code = {code} desc = {known}"));
    }
    Exit::from(error).with_code(INTERRUPTED)
}

fn failed(message: impl Into<String>) -> Exit {
    Exit::new(INTERRUPTED, message)
}

/// An unfinished file, which is removed unless it is finished.
struct Part {
    path: PathBuf,
    file: File,
    finished: bool,
}

impl Part {
    fn create(path: &Path) -> Result<Self, Exit> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let mut options = OpenOptions::new();
        let opened = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(|error| {
            let shown = path.display();
            failed(format!(
                "could not open {shown} (open {shown}: {})",
                io_reason(&error)
            ))
        })?;
        Ok(Self {
            path,
            file,
            finished: false,
        })
    }

    fn finish(mut self, path: &Path) -> Result<(), Exit> {
        let synced = self.file.sync_all();
        synced.map_err(|error| {
            failed(format!(
                "could not sync {} ({})",
                self.path.display(),
                io_reason(&error)
            ))
        })?;
        std::fs::rename(&self.path, path).map_err(|error| {
            let (from, to) = (self.path.display(), path.display());
            failed(format!(
                "could not rename {from} to {to} ({})",
                io_reason(&error)
            ))
        })?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            // A file that cannot be removed is recognised by its name.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backup that is damaged on its way must not look like a good one.
    #[test]
    fn the_checksum_is_compared() {
        let body = vec![7; 1000];
        let mut whole = body.clone();
        whole.extend_from_slice(&Sha256::digest(&body));
        let check = |bytes: &[u8], step| {
            let mut trailer = Trailer::default();
            for blob in bytes.chunks(step) {
                trailer.add(blob);
            }
            trailer.matches()
        };
        for step in [1, 7, 32, 33, 999, 5000] {
            assert!(check(&whole, step), "{step}");
        }
        whole[500] ^= 1;
        assert!(!check(&whole, 100));
        assert!(!check(&[], 1));
        assert!(!check(&body[..20], 1));
    }
}
