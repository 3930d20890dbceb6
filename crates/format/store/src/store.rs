//! The writer: commits, rolls to the next segment, and marks records dead.

use std::sync::Arc;

use bytes::Bytes;
use disk::{Dir, File};
use types::{Index, Revision, Term};

use crate::active::Active;
use crate::bucket::{Change, ChangeRef};
use crate::error::StoreFault;
use crate::reader::Reader;
use crate::rewrite::Rewrite;
use crate::segment::Segment;
use crate::view::{Shared, Sizes, View};

/// How much of the encoding buffer is kept between commits.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

/// How the store is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// When the active segment is sealed.
    pub segment_bytes: u64,
    /// Whether writes are made durable; without it a crash may damage the store.
    pub sync: bool,
    /// A number that clients cannot know: it tells batches from values that look like one.
    pub salt: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            sync: true,
            salt: 0,
        }
    }
}

/// A record with its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The revision of the change.
    pub revision: Revision,
    /// Whether the change is a deletion.
    pub tombstone: bool,
    /// The encoded `types::Record`.
    pub record: Bytes,
}

/// What one commit adds: all of it counts after a crash, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Records, sorted by revision, all above what is committed.
    pub entries: Vec<Entry>,
    /// Changes of the small buckets, in order.
    pub changes: Vec<Change>,
    /// The raft index up to which everything is in this batch or committed before it.
    pub consistent_index: Index,
    /// The term of that index.
    pub term: Term,
}

/// The one writer of a store.
#[derive(Debug)]
pub struct Store {
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    pub(crate) active: Active,
    /// Replaced segments whose files are still there because readers may hold them.
    pub(crate) doomed: Vec<Arc<Segment>>,
    pub(crate) rewrite: Option<Rewrite>,
    /// The highest generation in use.
    pub(crate) generation: u64,
    pub(crate) is_defragmenting: bool,
    is_stopped: bool,
    /// Whether batches were [added](Store::add) that are not durable yet.
    has_added: bool,
    buffer: Vec<u8>,
    /// Held until the store is dropped.
    _lock: Arc<dyn File>,
}

/// What recovery found, ready to be written to.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shared: Shared,
    pub(crate) active: Active,
    pub(crate) generation: u64,
    pub(crate) lock: Arc<dyn File>,
}

impl Store {
    pub(crate) fn new(dir: Arc<dyn Dir>, options: Options, recovered: Recovered) -> Self {
        let store = Self {
            dir,
            options,
            shared: Arc::new(recovered.shared),
            active: recovered.active,
            doomed: Vec::new(),
            rewrite: None,
            generation: recovered.generation,
            is_defragmenting: false,
            is_stopped: false,
            has_added: false,
            buffer: Vec::new(),
            _lock: recovered.lock,
        };
        store.refresh_sizes();
        store
    }

    /// The raft index up to which everything is committed, and its term; the log is replayed from
    /// there.
    #[must_use]
    pub fn consistent_index(&self) -> (Index, Term) {
        self.shared.buckets.read().consistent_index()
    }

    /// A handle to read with, for any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// How much room the store takes.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.shared.sizes()
    }

    /// Makes a batch durable with one write and one sync, then visible. A batch that changes
    /// nothing is not written.
    ///
    /// # Errors
    /// [`StoreFault`]: the store is stopped, and whether the batch counts is known only when it is
    /// opened again.
    ///
    /// # Panics
    /// If the revisions do not rise above those that are committed.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreFault> {
        let sync = self.options.sync;
        self.guard(|store| store.append(batch, sync))
    }

    /// As [`Store::commit`], but the batch is durable only with the next one that is committed so: for
    /// whoever fills a store that is worth nothing before it is whole.
    ///
    /// # Errors
    /// As [`Store::commit`].
    ///
    /// # Panics
    /// As [`Store::commit`].
    pub fn add(&mut self, batch: &Batch) -> Result<(), StoreFault> {
        self.guard(|store| store.append(batch, false))
    }

    fn append(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreFault> {
        let position = (batch.consistent_index, batch.term);
        let is_empty = batch.entries.is_empty() && batch.changes.is_empty();
        if is_empty && position == self.consistent_index() && !(sync && self.has_added) {
            return Ok(());
        }
        if self.active.is_full(&self.options) {
            self.roll()?;
        }
        let view = self.shared.view.load_full();
        let appended = self
            .active
            .append(batch, view.newest, &mut self.buffer, sync)?;
        self.has_added = !sync;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        let mut buckets = self.shared.buckets.write();
        for change in &batch.changes {
            buckets.apply(ChangeRef::from(change));
        }
        buckets.set_consistent_index(batch.consistent_index, batch.term);
        self.active.publish(&appended);
        if appended.newest > view.newest {
            self.shared.view.store(Arc::new(View {
                segments: view.segments.clone(),
                newest: appended.newest,
            }));
        }
        drop(buckets);
        self.refresh_sizes();
        Ok(())
    }

    /// Seals the active segment and begins the next.
    pub(crate) fn roll(&mut self) -> Result<(), StoreFault> {
        let view = self.shared.view.load_full();
        self.active.seal(view.newest, self.options.sync)?;
        let sequence = self.active.segment.id.last + 1;
        let next = {
            // Only this writer changes the buckets, so they are not copied to be written.
            let buckets = self.shared.buckets.read();
            let dir = &*self.dir;
            Active::create(dir, &self.options, sequence, &buckets, view.newest)?
        };
        let mut segments = view.segments.clone();
        segments.push(Arc::clone(&next.segment));
        self.active = next;
        self.shared.view.store(Arc::new(View {
            segments,
            newest: view.newest,
        }));
        Ok(())
    }

    /// Says that the records of these revisions are garbage; revisions that are not there, or are
    /// marked already, are passed over. Returns how many were marked.
    ///
    /// A record may be marked only when the batch with the compaction's mark is committed: reclaim
    /// removes it for good, and after a crash the log is replayed on what is left. A tombstone may
    /// be marked only together with all older records of its key that are left, or after them:
    /// reclaim then never removes it before them.
    ///
    /// # Errors
    /// [`StoreFault`] when a block cannot be read.
    pub fn mark_dead(&mut self, dead: &[Revision]) -> Result<usize, StoreFault> {
        let mut sorted = dead.to_vec();
        sorted.sort_unstable();
        self.guard(|store| store.mark_sorted(&sorted))
    }

    fn mark_sorted(&mut self, dead: &[Revision]) -> Result<usize, StoreFault> {
        let view = self.shared.view.load_full();
        let mut rest = dead;
        let mut marked = 0;
        while let Some(revision) = rest.first() {
            let Some(segment) = view.segments.get(view.position(*revision)) else {
                break;
            };
            let upper = segment.upper();
            let (here, behind) = rest.split_at(rest.partition_point(|r| *r <= upper));
            segment.mark_dead(here, |revision| {
                marked += 1;
                if let Some(rewrite) = &mut self.rewrite {
                    rewrite.mark_dead(revision);
                }
            })?;
            rest = behind;
        }
        self.refresh_sizes();
        Ok(marked)
    }

    /// Runs a change; once one has failed, none is tried any more.
    pub(crate) fn guard<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        if self.is_stopped {
            return Err(StoreFault::Stopped);
        }
        let result = change(self);
        self.is_stopped = result.is_err();
        result
    }

    /// Adds up what files there are and what is live in them.
    pub(crate) fn refresh_sizes(&self) {
        let view = self.shared.view.load();
        let doomed = self.doomed.iter().map(|segment| segment.len());
        let listed = view.segments.iter().map(|segment| segment.len());
        let written = self.rewrite.as_ref().map_or(0, Rewrite::written);
        self.shared.set_sizes(Sizes {
            total: listed.chain(doomed).sum::<u64>() + written,
            in_use: self.live_bytes(&view),
        });
    }

    pub(crate) fn live_bytes(&self, view: &View) -> u64 {
        let records = view.segments.iter().map(|segment| segment.live_cost());
        records.sum::<u64>() + self.shared.buckets.read().bytes()
    }
}
