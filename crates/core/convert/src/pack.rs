//! Gathering records and changes into batches of a bounded size.

use bytes::Bytes;
use store::{Batch, Bucket, Change, Entry, Store, StoreFault};
use types::{Index, Term};

/// Bytes of a batch: large enough that its one sync does not count, small against the memory.
const BATCH_BYTES: usize = 8 << 20;
/// Records and changes of a batch.
const BATCH_ITEMS: usize = 32 * 1024;

/// A store that is being filled.
pub(crate) struct Packer {
    store: Store,
    batch: Batch,
    bytes: usize,
    items: usize,
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
        self.commit()?;
        Ok(self)
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.items += 1;
    }

    fn commit_when_full(&mut self) -> Result<bool, StoreFault> {
        let is_full = self.bytes >= BATCH_BYTES || self.items >= BATCH_ITEMS;
        if is_full {
            self.commit()?;
        }
        Ok(is_full)
    }

    fn commit(&mut self) -> Result<(), StoreFault> {
        let batch = std::mem::take(&mut self.batch);
        self.store.commit(&batch)?;
        self.records += batch.entries.len() as u64;
        self.committed_bytes += self.bytes as u64;
        (self.bytes, self.items) = (0, 0);
        Ok(())
    }
}
