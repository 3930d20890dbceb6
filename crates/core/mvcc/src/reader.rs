//! The reading half: any thread, as many as wanted, none of them waits for a disk write.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use types::{KeyRange, LeaseId};

use crate::hash::{self, HashKv};
use crate::history::{self, History};
use crate::index::{Cursor, View};
use crate::query::{Chunk, Fault, RangeError, RangeQuery, RangeResult, Revisions};
use crate::range;
use crate::shared::Shared;
use crate::stats::Stats;

/// Reads the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The newest revisions.
    #[must_use]
    pub fn revisions(&self) -> Revisions {
        self.shared.revisions()
    }

    /// Reads a range of keys at one revision.
    ///
    /// # Errors
    /// [`RangeError::Compacted`] and [`RangeError::Future`] for the revisions that cannot be read,
    /// [`RangeError::Fault`] when the store is broken.
    pub fn range(&self, query: &RangeQuery) -> Result<RangeResult, RangeError> {
        range::read(&self.shared, &*self.shared, query)
    }

    /// Reads a part of a range: at most `keys_max` keys after the key `after`. Begin with revision
    /// zero and no key; go on with the revision and the key that the part before names.
    ///
    /// # Errors
    /// As [`Reader::range`]; a compaction may overtake the later parts.
    pub fn range_chunk(
        &self,
        range: &KeyRange,
        revision: i64,
        after: Option<&[u8]>,
        keys_max: usize,
        keys_only: bool,
    ) -> Result<Chunk, RangeError> {
        range::chunk(&self.shared, range, revision, after, keys_max, keys_only)
    }

    /// The number of keys of a range at a revision; zero or less for the current one.
    ///
    /// # Errors
    /// As [`Reader::range`].
    pub fn count(&self, range: &KeyRange, revision: i64) -> Result<i64, RangeError> {
        let query = RangeQuery {
            revision,
            count_only: true,
            ..RangeQuery::of(range.clone())
        };
        Ok(self.range(&query)?.count)
    }

    /// The encoded record of a key at a revision, if the key was live then.
    ///
    /// # Errors
    /// As [`Reader::range`].
    pub fn record_at(&self, key: &[u8], revision: i64) -> Result<Option<Bytes>, RangeError> {
        let visible = self.shared.with_index(|index| {
            let revision = index.resolve(revision)?;
            Ok::<_, RangeError>(index.tree.get(key).and_then(|entry| entry.at(revision)))
        })?;
        let record = visible
            .map(|visible| self.shared.record(visible.revision))
            .transpose();
        record.map_err(|fault| self.shared.explain(fault, revision))
    }

    /// What happened to the keys of `range` from the main revision `from` on, for watchers that are
    /// behind: the first `revisions_max` revisions with events or about `bytes_max` of them, each
    /// complete.
    ///
    /// # Errors
    /// [`RangeError::Compacted`] when `from` is below the compacted revision.
    pub fn history(
        &self,
        range: &KeyRange,
        from: i64,
        revisions_max: usize,
        bytes_max: usize,
    ) -> Result<History, RangeError> {
        history::read(&self.shared, range, from, revisions_max, bytes_max)
    }

    /// The hash of the key space at a revision, comparable between members that have compacted to
    /// the same revision. Reads every record: not for a thread that must answer others.
    ///
    /// # Errors
    /// As [`Reader::range`].
    pub fn hash_kv(&self, revision: i64) -> Result<HashKv, RangeError> {
        hash::hash_kv(&self.shared, revision)
    }

    /// The hashes that the last compactions remember, by ascending revision.
    #[must_use]
    pub fn compaction_hashes(&self) -> Vec<HashKv> {
        self.shared.hashes.lock().all().to_vec()
    }

    /// The hash of all buckets. Reads every record.
    ///
    /// # Errors
    /// [`Fault`] when the store cannot be read.
    pub fn hash(&self) -> Result<u32, Fault> {
        hash::hash_all(&self.shared)
    }

    /// The live keys that are attached to a lease, in order.
    #[must_use]
    pub fn attached_leases(&self) -> Vec<(Bytes, LeaseId)> {
        let mut attached = Vec::new();
        let mut cursor = Cursor::new(&KeyRange::All, i64::MAX, None);
        while !cursor.is_done() {
            self.shared.with_index(|index| {
                cursor.step_entries(index, |entry| {
                    if !entry.lease().is_none() {
                        attached.push((Bytes::copy_from_slice(entry.key()), entry.lease()));
                    }
                    ControlFlow::Continue(())
                });
            });
        }
        attached
    }

    /// What is in the store's files at this moment; the newest changes may not be there yet.
    #[must_use]
    pub fn files(&self) -> store::Snapshot {
        self.shared.store.snapshot()
    }

    /// The number of live keys.
    #[must_use]
    pub fn keys_total(&self) -> usize {
        self.shared.with_index(|index| index.tree.live())
    }

    /// What was done and what there is, for the metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        let sizes = self.shared.store.sizes();
        Stats {
            ranges: counters.ranges.get(),
            puts: counters.puts.get(),
            put_bytes: counters.put_bytes.get(),
            deletes: counters.deletes.get(),
            txns: counters.txns.get(),
            keys: self.keys_total() as u64,
            total_bytes: sizes.total,
            in_use_bytes: sizes.in_use,
            unflushed_bytes: self.shared.buffer.read().unflushed_bytes() as u64,
            compacted_records: counters.compacted_records.get(),
            finished_compaction: counters.finished_compaction(),
        }
    }
}
