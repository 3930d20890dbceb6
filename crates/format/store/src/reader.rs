//! Reading while the writer writes: point reads, scans, buckets, and snapshots of all of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use types::{Index, Revision, Term};

use crate::bucket::{Bucket, Buckets};
use crate::dead::DeadBits;
use crate::error::StoreFault;
use crate::many::get_many;
use crate::scan::Scan;
use crate::store::Entry;
use crate::view::{Shared, Sizes, View};

/// Reads what is committed, on any thread; never waits for a commit or a reclaim.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The encoded record of `revision`; a dead one may be found until its space is reclaimed.
    ///
    /// # Errors
    /// [`StoreFault`] when the disk or its contents are wrong.
    pub fn get(&self, revision: Revision) -> Result<Option<Bytes>, StoreFault> {
        let view = self.shared.view.load();
        if revision > view.newest {
            return Ok(None);
        }
        match view.segments.get(view.position(revision)) {
            Some(segment) => segment.get(revision),
            None => Ok(None),
        }
    }

    /// The encoded records of many revisions, in the given order; as [`Reader::get`] for each, but
    /// those that were written together are read together.
    ///
    /// The records may share the blocks that they were read from: copy what is kept for long.
    ///
    /// # Errors
    /// [`StoreFault`] when the disk or its contents are wrong.
    pub fn get_many(&self, revisions: &[Revision]) -> Result<Vec<Option<Bytes>>, StoreFault> {
        get_many(&self.shared.view.load(), revisions)
    }

    /// The live records from `from` up to main revision `to_main`, in order.
    ///
    /// Ends with the record that makes it `max_records` or `max_bytes`, so that there is at least
    /// one if there is any. The records share the blocks that they were read from: copy what is
    /// kept for long.
    ///
    /// # Errors
    /// [`StoreFault`] when the disk or its contents are wrong.
    pub fn scan(
        &self,
        from: Revision,
        to_main: i64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreFault> {
        let scan = Scan {
            view: &self.shared.view.load_full(),
            dead: None,
            from,
            to_main,
            max_records,
            max_bytes,
        };
        scan.run()
    }

    /// A copy of a small bucket.
    #[must_use]
    pub fn bucket(&self, bucket: Bucket) -> BTreeMap<Bytes, Bytes> {
        self.shared.buckets.read().get(bucket).clone()
    }

    /// A value of a small bucket.
    #[must_use]
    pub fn bucket_get(&self, bucket: Bucket, key: &[u8]) -> Option<Bytes> {
        self.shared.buckets.read().get(bucket).get(key).cloned()
    }

    /// The newest committed revision; `0.0` when none was ever.
    #[must_use]
    pub fn last_revision(&self) -> Revision {
        self.shared.view.load().newest
    }

    /// The raft index up to which everything is committed here, and its term.
    #[must_use]
    pub fn consistent_index(&self) -> (Index, Term) {
        self.shared.buckets.read().consistent_index()
    }

    /// How much room the store takes.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.shared.sizes()
    }

    /// Everything as it is committed at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        // Commits publish while they hold the buckets, so no commit comes in between; and what a
        // compaction gives up is marked only after a commit.
        let buckets = self.shared.buckets.read();
        loop {
            let view = self.shared.view.load_full();
            let dead = copy_dead(&view);
            // If a reclaim has replaced segments, later marks may be missing in the old ones.
            if Arc::ptr_eq(&view, &self.shared.view.load()) {
                return Snapshot {
                    dead,
                    view,
                    buckets: buckets.clone(),
                };
            }
        }
    }
}

/// The dead marks of all segments. Marks are made from old to new and are copied from new to old: a
/// tombstone must not seem dead and an older record of its key alive.
fn copy_dead(view: &View) -> Vec<DeadBits> {
    let newest_first = view.segments.iter().rev();
    let mut dead: Vec<_> = newest_first
        .map(|segment| segment.copy_dead().bits)
        .collect();
    dead.reverse();
    dead
}

/// The store at one moment; keeps the files that it needs until it is dropped.
#[derive(Debug)]
pub struct Snapshot {
    view: Arc<View>,
    dead: Vec<DeadBits>,
    buckets: Buckets,
}

impl Snapshot {
    /// The newest revision in it.
    #[must_use]
    pub fn last_revision(&self) -> Revision {
        self.view.newest
    }

    /// The raft index up to which everything is in it, and its term.
    #[must_use]
    pub fn consistent_index(&self) -> (Index, Term) {
        self.buckets.consistent_index()
    }

    /// A small bucket.
    #[must_use]
    pub fn bucket(&self, bucket: Bucket) -> &BTreeMap<Bytes, Bytes> {
        self.buckets.get(bucket)
    }

    /// The records from `from` on that were live when the snapshot was taken, in order; limits as
    /// for [`Reader::scan`].
    ///
    /// # Errors
    /// [`StoreFault`] when the disk or its contents are wrong.
    pub fn scan(
        &self,
        from: Revision,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreFault> {
        let scan = Scan {
            view: &self.view,
            dead: Some(&self.dead),
            from,
            to_main: i64::MAX,
            max_records,
            max_bytes,
        };
        scan.run()
    }
}
