//! Opening a database file that is not in use, and what its records say.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, anyhow, bail};
use boltfile::{OpenError, ReadError, Reader};
use bytes::Bytes;
use disk::{Dir, File, LockKind, OpenMode, RealDir};
use types::{Record, RecordKey};

/// How often a lock that another process holds is tried.
const LOCK_EVERY: Duration = Duration::from_millis(50);

/// The bucket of revisions.
pub(crate) const KEY_BUCKET: &[u8] = b"key";
/// The bucket of what the store says about itself.
pub(crate) const META_BUCKET: &[u8] = b"meta";

/// Opens a database for reading. The lock on it is held until the reader is dropped, so no server
/// changes it meanwhile; `timeout` bounds the wait for it, zero waits for ever.
pub(crate) fn open(path: &str, timeout: Duration) -> anyhow::Result<Reader> {
    let file = open_file(path).map_err(|error| file_error("open", path, error))?;
    lock(&*file, timeout).with_context(|| format!("lock {path}"))?;
    Reader::open(file).map_err(|error| match error {
        OpenError::NotBolt => error.into(),
        other => anyhow::Error::new(other).context(format!("open {path}")),
    })
}

/// What the operating system said about a file, in the words of etcdutl: without its number.
pub(crate) fn file_error(action: &str, path: &str, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotFound => anyhow!("{action} {path}: no such file or directory"),
        io::ErrorKind::PermissionDenied => anyhow!("{action} {path}: permission denied"),
        _ => anyhow::Error::new(error).context(format!("{action} {path}")),
    }
}

/// Opens a file for reading.
pub(crate) fn open_file(path: &str) -> io::Result<Arc<dyn File>> {
    let path = Path::new(path);
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(io::ErrorKind::InvalidInput)?;
    RealDir::new(parent).open(name, OpenMode::Read)
}

/// Takes the lock of a database; `timeout` bounds the wait, zero waits for ever.
pub(crate) fn lock(file: &dyn File, timeout: Duration) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        match file.try_lock(LockKind::Flock) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if !timeout.is_zero() && begin.elapsed() >= timeout => {
                bail!("another process has the database open (waited {timeout:?})");
            }
            Err(_) => thread::sleep(LOCK_EVERY),
        }
    }
}

/// One stored change.
pub(crate) struct Change {
    /// The stored key, of which the next is what it says.
    pub(crate) key: Bytes,
    /// Which revision, and whether it is a deletion.
    pub(crate) at: RecordKey,
    /// The stored value.
    pub(crate) value: Bytes,
}

impl Change {
    /// Understands a pair of the bucket of revisions.
    pub(crate) fn new(pair: Result<(Bytes, Bytes), ReadError>) -> anyhow::Result<Self> {
        let (key, value) = pair?;
        let at = RecordKey::decode(&key).with_context(|| format!("bucket key, key {key:?}"))?;
        Ok(Self { key, at, value })
    }

    /// The user's key.
    pub(crate) fn user_key(&self) -> anyhow::Result<Bytes> {
        let record = Record::decode(&self.value);
        let record =
            record.with_context(|| format!("bucket key, revision {}", self.at.revision))?;
        Ok(record.key)
    }
}

/// All changes in order of revisions; none when there is no bucket of them.
pub(crate) fn changes(
    reader: &Reader,
) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Change>>> {
    let bucket = reader.bucket(KEY_BUCKET)?;
    let items = bucket.into_iter().flat_map(|bucket| bucket.items());
    Ok(items.map(Change::new))
}
