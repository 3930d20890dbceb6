//! The writing half: transactions, bucket changes, and the batches that the store thread writes.

use std::sync::Arc;

use bytes::Bytes;
use types::{Index, LeaseId, Revision, Term};

use crate::compact::Compaction;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::txn::Txn;
use store::{Batch, Bucket, Change, Store, StoreFault};

/// The one writer of the store; lives on the apply thread.
#[derive(Debug)]
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    applied: (Index, Term),
    /// Whether `applied` moved since the last batch.
    moved: bool,
    pub(crate) compaction: Compaction,
}

/// A batch on its way to the store; readers find its records in memory until it is written.
#[derive(Debug)]
#[must_use = "a batch that is not written is lost with the process"]
pub struct Pending {
    id: u64,
    batch: Arc<Batch>,
    dead: Vec<Revision>,
    shared: Arc<Shared>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, applied: (Index, Term), compaction: Compaction) -> Self {
        Self {
            shared,
            applied,
            moved: false,
            compaction,
        }
    }

    /// Begins a transaction.
    pub fn txn(&mut self) -> Txn<'_> {
        Txn::begin(&self.shared)
    }

    /// The current revision.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.shared.revisions().current
    }

    /// A reading half.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Changes a small bucket, in the batch of the changes around it; no value deletes the key.
    pub fn put_bucket(&mut self, bucket: Bucket, key: Bytes, value: Option<Bytes>) {
        self.shared
            .buffer
            .write()
            .push_change(Change { bucket, key, value });
    }

    /// Everything up to this entry of the raft log is applied: a batch may end here.
    pub fn set_applied(&mut self, index: Index, term: Term) {
        self.applied = (index, term);
        self.moved = true;
    }

    /// Changes that no batch has taken.
    #[must_use]
    pub fn pending_ops(&self) -> usize {
        self.shared.buffer.read().open_len()
    }

    /// Bytes that are applied but not written, in batches taken and not.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.shared.buffer.read().unflushed_bytes()
    }

    /// Length of the store's files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.shared.store.sizes().total
    }

    /// The keys that are attached to a lease, for the lease table after an open.
    #[must_use]
    pub fn attached_leases(&self) -> Vec<(Bytes, LeaseId)> {
        self.reader().attached_leases()
    }

    /// Takes everything applied since the last batch; `None` when that is nothing.
    ///
    /// Batches are written in the order in which they are taken.
    pub fn take_batch(&mut self) -> Option<Pending> {
        let mut buffer = self.shared.buffer.write();
        let dead = self.compaction.take_dead();
        if buffer.open_len() == 0 && !self.moved && dead.is_empty() {
            return None;
        }
        self.moved = false;
        let next = Revision::new(self.shared.revisions().current + 1, 0);
        let (index, term) = self.applied;
        let (id, batch) = buffer.take(index, term, next);
        drop(buffer);
        Some(Pending {
            id,
            batch,
            dead,
            shared: Arc::clone(&self.shared),
        })
    }
}

impl Pending {
    /// Writes the batch, tells the store what compactions have given up by then, and lets the
    /// memory go. Called on the store thread.
    ///
    /// # Errors
    /// [`StoreFault`] when the store cannot be written: the member must stop.
    pub fn write(self, store: &mut Store) -> Result<(), StoreFault> {
        store.commit(&self.batch)?;
        // Only now are the dead records, and the mark of the compaction, surely in the store.
        if !self.dead.is_empty() {
            store.mark_dead(&self.dead)?;
        }
        let dropped = self.shared.buffer.write().flushed(self.id);
        drop(dropped);
        Ok(())
    }

    /// The batch.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The records that compactions have given up.
    #[must_use]
    pub fn dead(&self) -> &[Revision] {
        &self.dead
    }
}
