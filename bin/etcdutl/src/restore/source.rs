//! The snapshot: a database with its SHA-256 behind it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, Result, anyhow, bail};
use sha2::{Digest as _, Sha256};

use crate::database::file_error;
use crate::log::Meter;

/// Databases are made of pages that are a multiple of this, in bytes.
const SECTOR: u64 = 512;
/// What follows the database in a snapshot.
const CHECKSUM: u64 = 32;
/// Bytes read at a time.
const STEP: usize = 1 << 20;

/// Compares the checksum of a snapshot, unless `skip`.
pub(crate) fn verify(path: &str, skip: bool) -> Result<()> {
    let mut file = File::open(path).map_err(|error| file_error("open", path, error))?;
    if file.metadata().is_ok_and(|found| found.is_dir()) {
        bail!("read {path}: is a directory");
    }
    let len = file
        .seek(SeekFrom::End(0))
        .with_context(|| format!("seek {path}"))?;
    if len < CHECKSUM {
        bail!("seek {path}: invalid argument");
    }
    if len % SECTOR != CHECKSUM {
        return match skip {
            true => Ok(()),
            false => Err(anyhow!("snapshot missing hash but --skip-hash-check=false")),
        };
    }
    if skip {
        return Ok(());
    }
    file.rewind().with_context(|| format!("seek {path}"))?;
    let computed = digest(&mut file, len - CHECKSUM).with_context(|| format!("read {path}"))?;
    let mut stored = [0; CHECKSUM as usize];
    file.read_exact(&mut stored)
        .with_context(|| format!("read {path}"))?;
    if stored != computed {
        bail!(
            "expected sha256 {}, got {}",
            numbers(&stored),
            numbers(&computed)
        );
    }
    Ok(())
}

fn digest(file: &mut File, len: u64) -> std::io::Result<[u8; CHECKSUM as usize]> {
    let mut meter = Meter::new("verifying");
    let mut digest = Sha256::new();
    let mut buffer = vec![0; STEP];
    let mut rest = len;
    while rest > 0 {
        let step = STEP.min(usize::try_from(rest).unwrap_or(STEP));
        file.read_exact(&mut buffer[..step])?;
        digest.update(&buffer[..step]);
        rest -= step as u64;
        meter.step(len - rest, len);
    }
    Ok(digest.finalize().into())
}

/// The bytes as Go prints them.
fn numbers(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(" "))
}
