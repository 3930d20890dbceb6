//! From a store to a database of etcd.

use std::sync::Arc;

use bytes::Bytes;
use disk::File;
use proto::limits::CLUSTER_VERSION;
use store::{Bucket, Snapshot, StoreFault};
use types::{RecordKey, Revision};

use crate::error::ExportError;

/// Records read from the store at a time.
const SCAN_RECORDS: usize = 4096;
/// Bytes of records read from the store at a time.
const SCAN_BYTES: usize = 4 << 20;
/// Where the version of the storage is kept.
const STORAGE_VERSION: &[u8] = b"storageVersion";

/// A key and a value of a bucket, if it can be read.
type Pair = Result<(Bytes, Bytes), StoreFault>;

/// Writes the ten buckets of an etcd database into an empty file, in the order of their names, and
/// syncs it. Returns the length of the file.
///
/// # Errors
/// [`ExportError`]; the file is of no use then.
pub fn export(snapshot: &Snapshot, file: Arc<dyn File>) -> Result<u64, ExportError> {
    let mut writer = boltfile::Writer::new(file, boltfile::PAGE_SIZE);
    for bucket in [
        Bucket::Alarm,
        Bucket::Auth,
        Bucket::AuthRoles,
        Bucket::AuthUsers,
        Bucket::Cluster,
    ] {
        small(&mut writer, snapshot, bucket)?;
    }
    writer.bucket(b"key", Records::of(snapshot).map(|found| found.map(pair)))?;
    for bucket in [Bucket::Lease, Bucket::Members, Bucket::MembersRemoved] {
        small(&mut writer, snapshot, bucket)?;
    }
    let mut meta = snapshot.bucket(Bucket::Meta).clone();
    meta.entry(Bytes::from_static(STORAGE_VERSION))
        .or_insert_with(|| Bytes::from_static(CLUSTER_VERSION.as_bytes()));
    let name = Bucket::Meta.name().as_bytes();
    writer.bucket(name, meta.into_iter().map(Pair::Ok))?;
    Ok(writer.finish()?)
}

/// The version of the storage that an exported database says it has.
#[must_use]
pub fn storage_version(snapshot: &Snapshot) -> String {
    match snapshot.bucket(Bucket::Meta).get(STORAGE_VERSION) {
        Some(version) => String::from_utf8_lossy(version).into_owned(),
        None => CLUSTER_VERSION.to_owned(),
    }
}

fn small(
    writer: &mut boltfile::Writer,
    snapshot: &Snapshot,
    bucket: Bucket,
) -> Result<(), ExportError> {
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
