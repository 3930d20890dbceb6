//! Gathering records and changes into batches of a bounded size.

use bytes::Bytes;
use store::{Batch, Bucket, Change, Entry, Store, StoreFault};
use types::{Index, Term};

/// Bytes of a batch: little work at once, for the sake of others who want the processor.
const BATCH_BYTES: usize = 128 << 10;
/// Records and changes of a batch.
const BATCH_ITEMS: usize = 512;
/// Bytes that are made durable at a time: enough that a sync does not count, and little for the syncs
/// of others to wait for.
const SYNC_BYTES: usize = 2 << 20;

/// A store that is being filled.
pub(crate) struct Packer {
    store: Store,
    batch: Batch,
    bytes: usize,
    items: usize,
    unsynced_bytes: usize,
    /// What was committed.
    pub(crate) records: u64,
    pub(crate) committed_bytes: u64,
}

impl Packer {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            batch: Batch::default(),
            bytes: 0,
            items: 0,
            unsynced_bytes: 0,
            records: 0,
            committed_bytes: 0,
        }
    }

    /// Adds a record; true when a batch was committed for it.
    pub(crate) fn record(&mut self, entry: Entry) -> Result<bool, StoreFault> {
        self.count(18 + entry.record.len());
        self.batch.entries.push(entry);
        self.commit_when_full()
    }

    /// Adds a pair of a small bucket; true when a batch was committed for it.
    pub(crate) fn pair(
        &mut self,
        bucket: Bucket,
        key: Bytes,
        value: Bytes,
    ) -> Result<bool, StoreFault> {
        self.count(key.len() + value.len());
        self.batch.changes.push(Change {
            bucket,
            key,
            value: Some(value),
        });
        self.commit_when_full()
    }

    /// Commits what is left with the position that makes the store a whole one.
    pub(crate) fn finish(mut self, index: Index, term: Term) -> Result<Self, StoreFault> {
        self.batch.consistent_index = index;
        self.batch.term = term;
        self.commit(true)?;
        Ok(self)
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.items += 1;
    }

    fn commit_when_full(&mut self) -> Result<bool, StoreFault> {
        let is_full = self.bytes >= BATCH_BYTES || self.items >= BATCH_ITEMS;
        if is_full {
            self.commit(self.unsynced_bytes + self.bytes >= SYNC_BYTES)?;
        }
        Ok(is_full)
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreFault> {
        let batch = std::mem::take(&mut self.batch);
        self.unsynced_bytes += self.bytes;
        if sync {
            self.store.commit(&batch)?;
            self.unsynced_bytes = 0;
        } else {
            self.store.add(&batch)?;
        }
        self.records += batch.entries.len() as u64;
        self.committed_bytes += self.bytes as u64;
        (self.bytes, self.items) = (0, 0);
        Ok(())
    }
}
