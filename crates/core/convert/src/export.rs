//! From a store to a database of etcd.

use std::io::Write;
use std::sync::Arc;

use boltfile::{Outline, PAGE_SIZE, Writer};
use bytes::Bytes;
use cluster::Version;
use disk::File;
use proto::limits::CLUSTER_VERSION;
use store::{Bucket, Snapshot, StoreFault};
use types::{RecordKey, Revision};

use crate::error::ExportError;

/// Records read from the store at a time: few, so that whoever makes a database can rest often.
const SCAN_RECORDS: usize = 512;
/// Bytes of records read from the store at a time.
const SCAN_BYTES: usize = 128 << 10;
/// Where the version of the storage is kept.
const STORAGE_VERSION: &[u8] = b"storageVersion";

/// Where the version of the cluster is kept.
const CLUSTER_VERSION_KEY: &[u8] = b"clusterVersion";
/// The first version with a version of the storage.
const FIRST_STORED: Version = Version::minor(3, 6);
/// What a cluster is at before its members have agreed on a version.
const UNDECIDED: Version = Version::minor(3, 0);

/// A key and a value of a bucket, if it can be read.
type Pair = Result<(Bytes, Bytes), StoreFault>;

/// Writes the ten buckets of an etcd database into an empty file, in the order of their names, and
/// syncs it. Returns the length of the file.
///
/// # Errors
/// [`ExportError`]; the file is of no use then.
pub fn export(snapshot: &Snapshot, file: Arc<dyn File>) -> Result<u64, ExportError> {
    export_seen(snapshot, file, &mut |_| {})
}

/// As [`export`], and tells of every revision before it is written.
pub(crate) fn export_seen(
    snapshot: &Snapshot,
    file: Arc<dyn File>,
    seen: &mut dyn FnMut(Revision),
) -> Result<u64, ExportError> {
    Ok(fill(Writer::new(file, PAGE_SIZE), snapshot, seen)?.bytes())
}

/// What [`stream`] has to know of the database before its first byte: it takes a look at all of the
/// snapshot, and calls `rest` after each record.
///
/// # Errors
/// [`ExportError`].
pub fn measure(snapshot: &Snapshot, rest: &mut dyn FnMut()) -> Result<Outline, ExportError> {
    fill(Writer::measure(PAGE_SIZE), snapshot, &mut |_| rest())
}

/// Hands over the same database as [`export`] writes, as it is made; `outline` is what the snapshot
/// [measures](measure). `rest` is called after each record.
///
/// # Errors
/// [`ExportError`]; what was handed over is of no use then.
pub fn stream(
    snapshot: &Snapshot,
    outline: Outline,
    to: &mut dyn Write,
    rest: &mut dyn FnMut(),
) -> Result<(), ExportError> {
    fill(Writer::stream(outline, to)?, snapshot, &mut |_| rest())?;
    Ok(())
}

fn fill(
    mut writer: Writer<'_>,
    snapshot: &Snapshot,
    seen: &mut dyn FnMut(Revision),
) -> Result<Outline, ExportError> {
    for bucket in [
        Bucket::Alarm,
        Bucket::Auth,
        Bucket::AuthRoles,
        Bucket::AuthUsers,
        Bucket::Cluster,
    ] {
        small(&mut writer, snapshot, bucket)?;
    }
    let records = Records::of(snapshot).inspect(|found| {
        if let Ok(entry) = found {
            seen(entry.revision);
        }
    });
    let records = records.map(|found| found.map(pair));
    writer.bucket(b"key", records)?;
    for bucket in [Bucket::Lease, Bucket::Members, Bucket::MembersRemoved] {
        small(&mut writer, snapshot, bucket)?;
    }
    let mut meta = snapshot.bucket(Bucket::Meta).clone();
    match storage_version_of(snapshot) {
        Some(version) => meta.insert(Bytes::from_static(STORAGE_VERSION), version.into()),
        None => meta.remove(STORAGE_VERSION),
    };
    let name = Bucket::Meta.name().as_bytes();
    writer.bucket(name, meta.into_iter().map(Pair::Ok))?;
    Ok(writer.finish()?)
}

/// The version of the storage that an exported database says it has; empty if it says none.
#[must_use]
pub fn storage_version(snapshot: &Snapshot) -> String {
    storage_version_of(snapshot).unwrap_or_default()
}

fn storage_version_of(snapshot: &Snapshot) -> Option<String> {
    effective_version(
        snapshot.bucket(Bucket::Meta).get(STORAGE_VERSION),
        snapshot.bucket(Bucket::Cluster).get(CLUSTER_VERSION_KEY),
    )
}

/// The version of a storage: as in etcd it follows the cluster's once the members have agreed on one,
/// and before 3.6 there is none. Both are texts as they are stored.
fn effective_version(stored: Option<&Bytes>, cluster: Option<&Bytes>) -> Option<String> {
    let parse = |text: &Bytes| std::str::from_utf8(text).ok()?.parse::<Version>().ok();
    match cluster.and_then(parse).map(Version::without_patch) {
        Some(version) if version >= FIRST_STORED => Some(version.to_string()),
        Some(version) if version > UNDECIDED => None,
        _ => Some(match stored {
            Some(version) => String::from_utf8_lossy(version).into_owned(),
            None => CLUSTER_VERSION.to_owned(),
        }),
    }
}

fn small(writer: &mut Writer<'_>, snapshot: &Snapshot, bucket: Bucket) -> Result<(), ExportError> {
    let pairs = snapshot.bucket(bucket).iter();
    let pairs = pairs.map(|(key, value)| Pair::Ok((key.clone(), value.clone())));
    writer.bucket(bucket.name().as_bytes(), pairs)?;
    Ok(())
}

fn pair(entry: store::Entry) -> (Bytes, Bytes) {
    let key = RecordKey {
        revision: entry.revision,
        tombstone: entry.tombstone,
    };
    (key.with_bytes(Bytes::copy_from_slice), entry.record)
}

/// All records of a snapshot in the order of revisions, read in bounded steps; nothing comes after
/// the first error.
#[derive(Debug)]
pub struct Records<'a> {
    snapshot: &'a Snapshot,
    read: std::vec::IntoIter<store::Entry>,
    from: Option<Revision>,
}

impl<'a> Records<'a> {
    /// From the first on.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            read: Vec::new().into_iter(),
            from: Some(Revision::default()),
        }
    }

    fn read_more(&mut self) -> Result<Option<store::Entry>, StoreFault> {
        let Some(from) = self.from.take() else {
            return Ok(None);
        };
        let entries = self.snapshot.scan(from, SCAN_RECORDS, SCAN_BYTES)?;
        self.from = entries.last().map(|entry| {
            let Revision { main, sub } = entry.revision;
            Revision { main, sub: sub + 1 }
        });
        self.read = entries.into_iter();
        Ok(self.read.next())
    }
}

impl Iterator for Records<'_> {
    type Item = Result<store::Entry, StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read.next() {
            Some(entry) => Some(Ok(entry)),
            None => self.read_more().transpose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database that says another version than its cluster is refused by etcd of either.
    #[test]
    fn versions_follow_the_cluster() {
        let check = |stored: &'static str, cluster: &'static str, expected: Option<&str>| {
            let text = |text: &'static str| (!text.is_empty()).then(|| Bytes::from(text));
            let found = effective_version(text(stored).as_ref(), text(cluster).as_ref());
            assert_eq!(found.as_deref(), expected, "{stored:?} {cluster:?}");
        };
        check("", "", Some("3.7.0"));
        check("3.6.0", "", Some("3.6.0"));
        check("3.6.0", "3.0.0", Some("3.6.0"));
        check("3.6.0", "3.7.0", Some("3.7.0"));
        check("3.7.0", "3.6.0", Some("3.6.0"));
        check("3.7.0", "3.5.0", None);
        check("", "3.5.0", None);
        check("3.7.0", "nonsense", Some("3.7.0"));
    }
}
