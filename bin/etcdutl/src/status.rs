//! `snapshot status`: what a snapshot holds, and whether its pages are sound.

use std::collections::HashSet;
use std::fmt::Write;

use anyhow::{Context, bail};
use boltfile::Reader;
use crc32c::crc32c_append;
use notation::size;
use serde::Serialize;

use crate::cli::{Arguments, Command, Run, format, timeout};
use crate::database::{META_BUCKET, changes, file_error, open};
use crate::failure::Failure;
use crate::output::Report;

const HEADS: &[&str] = &["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"];

/// What is known about a snapshot.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// CRC-32C over all buckets.
    hash: u32,
    /// The newest revision.
    revision: i64,
    /// Keys that are alive.
    total_key: usize,
    /// Bytes of the database without a trailing checksum.
    total_size: u64,
    /// The storage version; empty before 3.6.
    version: String,
}

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "status",
    operands: "<filename>",
    about: "Describes a snapshot, or the database of a data directory",
    run: Run::Do(run),
    ..Command::EMPTY
};

/// That the file exists is looked at before the output format.
fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (Some(path), 1) = (&arguments.operand(0), arguments.operands.len()) else {
        return Err(Failure::Arguments(
            "snapshot status requires exactly one argument",
        ));
    };
    std::fs::metadata(path).map_err(|error| file_error("stat", path, error))?;
    let format = format(arguments)?;
    let reader = open(path, timeout(arguments))?;
    check(&reader)?;
    status(&reader)?.report()?.print(format)
}

fn check(reader: &Reader) -> anyhow::Result<()> {
    let faults = reader.check();
    if faults.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for fault in &faults {
        write!(text, "\n{fault}").context("cannot format")?;
    }
    bail!(
        "snapshot file integrity check failed. {} errors found.{text}",
        faults.len()
    )
}

fn status(reader: &Reader) -> anyhow::Result<Status> {
    let mut keys = HashSet::new();
    let mut revision = 0;
    for change in changes(reader)? {
        let change = change?;
        revision = change.at.revision.main;
        let key = change.user_key()?;
        if change.at.tombstone {
            keys.remove(&key[..]);
        } else {
            keys.insert(Box::<[u8]>::from(&key[..]));
        }
    }
    let version = match reader.bucket(META_BUCKET)? {
        Some(meta) => meta.get(b"storageVersion")?.unwrap_or_default(),
        None => Default::default(),
    };
    Ok(Status {
        hash: hash(reader)?,
        revision,
        total_key: keys.len(),
        total_size: reader.size(),
        version: String::from_utf8_lossy(&version).into_owned(),
    })
}

/// All names, keys and values in order.
fn hash(reader: &Reader) -> anyhow::Result<u32> {
    let mut hash = 0;
    for (name, bucket) in reader.buckets()? {
        hash = crc32c_append(hash, &name);
        for pair in bucket.items() {
            let (key, value) = pair?;
            hash = crc32c_append(crc32c_append(hash, &key), &value);
        }
    }
    Ok(hash)
}

impl Status {
    fn report(&self) -> anyhow::Result<Report> {
        Ok(Report {
            heads: HEADS,
            cells: vec![
                format!("{:x}", self.hash),
                self.revision.to_string(),
                self.total_key.to_string(),
                size::human(self.total_size),
                self.version.clone(),
            ],
            fields: vec![
                ("Hash", self.hash.to_string()),
                ("Revision", self.revision.to_string()),
                ("Keys", self.total_key.to_string()),
                ("Size", self.total_size.to_string()),
                ("Version", self.version.clone()),
            ],
            json: serde_json::to_string(self)?,
        })
    }
}
