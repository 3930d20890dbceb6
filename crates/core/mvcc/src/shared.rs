//! What the writer and all readers share, and where records are found.
//!
//! Locks, in the order in which they may be taken together: `index`, `buffer`, the cache's shards,
//! `hashes`. A record is in the buffer before the index names it, and leaves the buffer only when
//! the store has it, so that looking in the order buffer, cache, store always finds it.

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use types::Revision;

use crate::buffer::Buffer;
use crate::cache::Cache;
use crate::hash::Remembered;
use crate::index::{Index, View};
use crate::query::{Fault, RangeError, Revisions};
use crate::stats::Counters;
use store::Entry;

/// The state behind [`crate::Writer`] and [`crate::Reader`].
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) index: RwLock<Index>,
    pub(crate) buffer: RwLock<Buffer>,
    pub(crate) cache: Cache,
    pub(crate) store: store::Reader,
    pub(crate) hashes: Mutex<Remembered>,
    pub(crate) counters: Counters,
    /// Copies of the index's revisions, for those who need no more.
    current: AtomicI64,
    compacted: AtomicI64,
}

impl View for Shared {
    fn with_index<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read())
    }
}

impl Shared {
    pub(crate) fn new(
        index: Index,
        store: store::Reader,
        cache_bytes: usize,
        finished_compaction: i64,
    ) -> Self {
        Self {
            current: AtomicI64::new(index.current),
            compacted: AtomicI64::new(index.compacted),
            index: RwLock::new(index),
            // Half for what was written lately, half for what is read again and again.
            buffer: RwLock::new(Buffer::new(cache_bytes / 2)),
            cache: Cache::new(cache_bytes / 2),
            store,
            hashes: Mutex::default(),
            counters: Counters::new(finished_compaction),
        }
    }

    pub(crate) fn revisions(&self) -> Revisions {
        // The compacted revision first: it never passes the current one.
        let compacted = self.compacted.load(Ordering::Acquire);
        let current = self.current.load(Ordering::Acquire);
        Revisions { current, compacted }
    }

    /// Publishes a new current revision; the caller holds the index's lock.
    pub(crate) fn publish_current(&self, current: i64) {
        self.current.store(current, Ordering::Release);
    }

    /// Publishes a new compacted revision; the caller holds the index's lock.
    pub(crate) fn publish_compacted(&self, compacted: i64) {
        self.compacted.store(compacted, Ordering::Release);
    }

    /// The record of a revision that the index named, for a single key: worth a place in the cache.
    pub(crate) fn record(&self, revision: Revision) -> Result<Bytes, Fault> {
        if let Some(record) = self.held(revision) {
            return Ok(record);
        }
        let record = self.stored(revision)?;
        self.cache.insert(revision, &record);
        Ok(record)
    }

    /// The record of a revision in a walk over many: the cache is left alone.
    pub(crate) fn record_in_walk(&self, revision: Revision) -> Result<Bytes, Fault> {
        match self.held(revision) {
            Some(record) => Ok(record),
            None => self.stored(revision),
        }
    }

    /// The records of many revisions in a walk, in their order.
    pub(crate) fn records_in_walk(&self, revisions: &[Revision]) -> Result<Vec<Bytes>, Fault> {
        let mut found: Vec<_> = {
            let buffer = self.buffer.read();
            let revisions = revisions.iter();
            revisions.map(|revision| buffer.get(*revision)).collect()
        };
        let mut missing = Vec::new();
        for (found, revision) in found.iter_mut().zip(revisions) {
            if found.is_none() {
                *found = self.cache.get(*revision);
            }
            if found.is_none() {
                missing.push(*revision);
            }
        }
        let mut stored = self.store.get_many(&missing)?.into_iter();
        let records = found.into_iter().zip(revisions).map(|(found, &revision)| {
            let record = found.or_else(|| stored.next().flatten());
            record.ok_or(Fault::Missing { revision })
        });
        records.collect()
    }

    fn held(&self, revision: Revision) -> Option<Bytes> {
        let buffered = self.buffer.read().get(revision);
        buffered.or_else(|| self.cache.get(revision))
    }

    fn stored(&self, revision: Revision) -> Result<Bytes, Fault> {
        self.store.get(revision)?.ok_or(Fault::Missing { revision })
    }

    /// Turns a missing record into the compaction that removed it, if one has passed `revision`.
    pub(crate) fn explain(&self, fault: Fault, revision: i64) -> RangeError {
        let at = self.revisions().compacted;
        match fault {
            Fault::Missing { .. } if revision < at => RangeError::Compacted { at },
            fault => fault.into(),
        }
    }

    /// Some records from `from` to the main revision `to`, in order, at most about `max` or
    /// `max_bytes`; none only if there are no more.
    pub(crate) fn scan(
        &self,
        mut from: Revision,
        to: i64,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, Fault> {
        loop {
            let unflushed = {
                let buffer = self.buffer.read();
                let unflushed = buffer.unflushed_from().unwrap_or(i64::MAX);
                if from.main >= unflushed {
                    return Ok(buffer.scan(from, to, max));
                }
                unflushed
            };
            let stored_to = to.min(unflushed - 1);
            let entries = self.store.scan(from, stored_to, max, max_bytes)?;
            if !entries.is_empty() || stored_to == to {
                return Ok(entries);
            }
            from = Revision::new(unflushed, 0);
        }
    }
}
