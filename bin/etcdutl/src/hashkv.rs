//! `hashkv`: the hash of the key space that members compare with each other.
//!
//! The file is only read, so that the checksum at the end of a snapshot stays right.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use boltfile::{Bucket, Reader};
use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};
use mvcc::RangeError;
use serde::Serialize;
use types::RecordKey;

use crate::cli::{Arguments, Command, Flag, Run, format, only_operand, timeout};
use crate::database::{KEY_BUCKET, META_BUCKET, changes, file_error, open};
use crate::failure::Failure;
use crate::output::Report;
use crate::place::{directory, store_options};

const HEADS: &[&str] = &["HASH", "HASH REVISION", "COMPACT REVISION"];
/// Nothing is compacted.
const NEVER: i64 = -1;
/// The revision of an empty store.
const FIRST_REVISION: i64 = 1;

/// A hash and what it covers.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct HashKv {
    hash: u32,
    hash_revision: i64,
    compact_revision: i64,
}

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "hashkv",
    operands: "<filename>",
    about: "Prints the hash of a file's key space and its history",
    flags: &[Flag::int(
        "rev",
        "0",
        "newest revision that counts (0 means all)",
    )],
    run: Run::Do(run),
    ..Command::EMPTY
};

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &only_operand(arguments)?;
    let format = format(arguments)?;
    let rev = arguments.int("rev");
    let found = std::fs::metadata(path).map_err(|error| file_error("stat", path, error))?;
    let hash = match found.is_dir() {
        true => of_store(Path::new(path), rev)?,
        false => hash_kv(&open(path, timeout(arguments))?, rev)?,
    };
    hash.report()?.print(format)
}

/// The hash of a store of ours, given its directory or the data directory around it.
fn of_store(path: &Path, rev: i64) -> anyhow::Result<HashKv> {
    let nested = path.join("member/store");
    let store = if nested.is_dir() { &nested } else { path };
    let is_store = std::fs::read_dir(store)?
        .filter_map(Result::ok)
        .any(|entry| entry.path().extension().is_some_and(|end| end == "seg"));
    if !is_store {
        bail!("{} is a directory without a store", path.display());
    }
    let options = mvcc::Options::default();
    let (_writer, reader, _store) = mvcc::open(directory(store), store_options(), options)?;
    match reader.hash_kv(rev) {
        Ok(found) => Ok(HashKv {
            hash: found.hash,
            hash_revision: found.hash_revision,
            compact_revision: found.compact_revision,
        }),
        Err(RangeError::Compacted { .. }) => bail!("mvcc: required revision has been compacted"),
        Err(RangeError::Future { .. }) => bail!("mvcc: required revision is a future revision"),
        Err(error) => Err(error.into()),
    }
}

fn hash_kv(reader: &Reader, rev: i64) -> anyhow::Result<HashKv> {
    let compacted = compact_revision(reader)?;
    let current = current_revision(reader)?.max(compacted);
    if rev > 0 && rev < compacted {
        bail!("mvcc: required revision has been compacted");
    }
    if rev > current {
        bail!("mvcc: required revision is a future revision");
    }
    let revision = if rev == 0 { current } else { rev };
    Ok(HashKv {
        hash: hash(reader, revision, compacted)?,
        hash_revision: revision,
        compact_revision: compacted,
    })
}

/// A scheduled compaction counts, since a server would finish it first.
fn compact_revision(reader: &Reader) -> anyhow::Result<i64> {
    let Some(meta) = reader.bucket(META_BUCKET)? else {
        return Ok(NEVER);
    };
    let scheduled = compaction_mark(&meta, "scheduledCompactRev")?;
    let finished = compaction_mark(&meta, "finishedCompactRev")?;
    Ok(scheduled.max(finished).unwrap_or(NEVER))
}

fn compaction_mark(meta: &Bucket, name: &str) -> anyhow::Result<Option<i64>> {
    let Some(mark) = meta.get(name.as_bytes())? else {
        return Ok(None);
    };
    let key = RecordKey::decode(&mark).with_context(|| format!("bucket meta, key {name}"))?;
    Ok(Some(key.revision.main))
}

fn current_revision(reader: &Reader) -> anyhow::Result<i64> {
    let mut current = FIRST_REVISION;
    for change in changes(reader)? {
        current = change?.at.revision.main;
    }
    Ok(current.max(FIRST_REVISION))
}

/// Covers the records up to `revision`. Of those that compaction may have removed already, only
/// the ones that it keeps count, so that members at different stages of it agree.
fn hash(reader: &Reader, revision: i64, compacted: i64) -> anyhow::Result<u32> {
    let kept = match compacted {
        NEVER => BTreeMap::new(),
        _ => kept(reader, revision)?,
    };
    let mut hash = crc32c(KEY_BUCKET);
    for change in changes(reader)? {
        let change = change?;
        let main = change.at.revision.main;
        if main > revision {
            continue;
        }
        let may_be_gone = main <= compacted && !kept.is_empty();
        if may_be_gone && kept.get(&change.user_key()?) != Some(&change.at) {
            continue;
        }
        if main == compacted && change.at.tombstone {
            continue;
        }
        hash = crc32c_append(crc32c_append(hash, &change.key), &change.value);
    }
    Ok(hash)
}

/// For every key its newest record up to `revision`, unless that is a deletion.
fn kept(reader: &Reader, revision: i64) -> anyhow::Result<BTreeMap<Bytes, RecordKey>> {
    let mut kept = BTreeMap::new();
    for change in changes(reader)? {
        let change = change?;
        if change.at.revision.main > revision {
            continue;
        }
        let key = change.user_key()?;
        if change.at.tombstone {
            kept.remove(&key);
        } else {
            // A copy, so that the page is not kept for a key of it.
            kept.insert(Bytes::copy_from_slice(&key), change.at);
        }
    }
    Ok(kept)
}

impl HashKv {
    fn report(&self) -> anyhow::Result<Report> {
        let hash = self.hash.to_string();
        let revision = self.hash_revision.to_string();
        let compacted = self.compact_revision.to_string();
        Ok(Report {
            heads: HEADS,
            cells: vec![hash.clone(), revision.clone(), compacted.clone()],
            fields: vec![
                ("Hash", hash),
                ("Hash revision", revision),
                ("Compact revision", compacted),
            ],
            json: serde_json::to_string(self)?,
        })
    }
}
