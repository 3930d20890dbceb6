//! Compaction: marks at once, the work in small steps.
//!
//! 1. `compact(K)`: reads below K are refused from here on; the mark "scheduled K" joins the open
//!    batch.
//! 2. If the compaction before had finished, the hash of what K still sees is to be computed over
//!    records that are about to go. The next step hands out that work; nothing is given up until it
//!    is done or dropped.
//! 3. Each further step passes a few keys under the index's lock and forgets what no reader at K or
//!    above can see. The revisions given up leave with the next batch, so that the store learns of
//!    them only after it has the records and the mark.
//! 4. The last step puts the mark "finished K" into the open batch.
//!
//! A compaction that arrives while another is under way replaces its target; one walk does both.
//!
//! A tombstone is given up in the same step as all older records of its key that are left: the store
//! relies on that to reclaim it last, since an older put would live again at the next open.

use std::sync::Arc;

use bytes::Bytes;
use types::{RecordKey, Revision};

use crate::hash::HashJob;
use crate::writer::Writer;
use store::Bucket;

/// Key of the mark in the meta bucket, etcd's name.
pub(crate) const SCHEDULED: &[u8] = b"scheduledCompactRev";
/// Key of the mark in the meta bucket, etcd's name.
pub(crate) const FINISHED: &[u8] = b"finishedCompactRev";

/// Why a compaction was refused; the same on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// The store is compacted to this revision or beyond.
    #[error("revision has been compacted, compacted revision is {at}")]
    Compacted {
        /// The compacted revision.
        at: i64,
    },
    /// The revision has not come yet.
    #[error("revision is in the future, current revision is {current}")]
    Future {
        /// The current revision.
        current: i64,
    },
}

/// What a step of a compaction did.
#[derive(Debug)]
pub enum CompactStep {
    /// There is nothing to compact.
    Idle,
    /// Run this on a thread that may take its time; steps wait until it is run or dropped.
    Hash(HashJob),
    /// The hash is still being computed.
    Waiting,
    /// Some keys were passed, more are left.
    Swept {
        /// How many records were given up.
        dead: usize,
    },
    /// The compaction is done.
    Finished {
        /// The compacted revision.
        revision: i64,
        /// How many records were given up.
        dead: usize,
    },
}

/// The state of compactions on the writing side.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// The newest requested revision; -1 for none.
    scheduled: i64,
    /// The newest finished revision; -1 for none.
    finished: i64,
    /// The key after which the walk for `scheduled` goes on.
    after: Option<Box<[u8]>>,
    /// The hash that nobody has fetched yet.
    job: Option<HashJob>,
    /// Shared with the job: held elsewhere as long as the job exists.
    gate: Arc<()>,
    /// Given up, not yet told to the store.
    dead: Vec<Revision>,
}

impl Compaction {
    pub(crate) fn new(scheduled: i64, finished: i64) -> Self {
        Self {
            scheduled,
            finished,
            after: None,
            job: None,
            gate: Arc::default(),
            dead: Vec::new(),
        }
    }

    pub(crate) fn take_dead(&mut self) -> Vec<Revision> {
        std::mem::take(&mut self.dead)
    }
}

impl Writer {
    /// Compacts to `revision`: older revisions cannot be read any more; the space is won by
    /// [`Writer::compact_step`].
    ///
    /// # Errors
    /// [`CompactError`], without any effect.
    pub fn compact(&mut self, revision: i64) -> Result<(), CompactError> {
        let mut index = self.shared.index.write();
        let previous = index.compacted;
        if revision <= previous {
            return Err(CompactError::Compacted { at: previous });
        }
        if revision > index.current {
            return Err(CompactError::Future {
                current: index.current,
            });
        }
        index.compacted = revision;
        self.shared.publish_compacted(revision);
        drop(index);
        self.put_mark(SCHEDULED, revision);
        let compaction = &mut self.compaction;
        if compaction.scheduled == compaction.finished {
            let gate = Arc::clone(&compaction.gate);
            compaction.job = Some(HashJob::new(
                Arc::clone(&self.shared),
                previous,
                revision,
                gate,
            ));
        }
        compaction.scheduled = revision;
        compaction.after = None;
        Ok(())
    }

    /// Whether steps are left to do.
    #[must_use]
    pub fn is_compacting(&self) -> bool {
        self.compaction.scheduled > self.compaction.finished
    }

    /// Does the next part of the compaction that was requested: about `keys_max` keys.
    pub fn compact_step(&mut self, keys_max: usize) -> CompactStep {
        if !self.is_compacting() {
            return CompactStep::Idle;
        }
        if let Some(job) = self.compaction.job.take() {
            return CompactStep::Hash(job);
        }
        if Arc::strong_count(&self.compaction.gate) > 1 {
            return CompactStep::Waiting;
        }
        let mut dead = self.sweep(keys_max);
        let is_finished = self.compaction.after.is_none();
        if is_finished {
            dead += self.finish();
        }
        self.shared.counters.compacted_records.add(dead);
        if is_finished {
            CompactStep::Finished {
                revision: self.compaction.finished,
                dead,
            }
        } else {
            CompactStep::Swept { dead }
        }
    }

    /// Passes some keys; returns how many records were given up.
    fn sweep(&mut self, keys_max: usize) -> usize {
        let Compaction {
            scheduled,
            after,
            dead,
            ..
        } = &mut self.compaction;
        let mut dropped = Vec::new();
        let mut index = self.shared.index.write();
        *after = index.tree.sweep(after.as_deref(), keys_max, |entry| {
            entry.compact(*scheduled, &mut |changes| dropped.push(changes))
        });
        drop(index);
        dead.extend(dropped.iter().flatten().map(|change| change.revision()));
        dropped.iter().map(Vec::len).sum()
    }

    /// Ends the compaction; returns how many records without a key were given up.
    fn finish(&mut self) -> usize {
        let Compaction {
            scheduled,
            finished,
            dead,
            ..
        } = &mut self.compaction;
        let revision = *scheduled;
        *finished = revision;
        let before = dead.len();
        dead.extend(self.shared.index.write().unnamed.compact(revision));
        let given_up = dead.len() - before;
        self.put_mark(FINISHED, revision);
        self.shared.counters.set_finished_compaction(revision);
        given_up
    }

    fn put_mark(&self, name: &'static [u8], revision: i64) {
        let key = RecordKey {
            revision: Revision::new(revision, 0),
            tombstone: false,
        };
        self.shared.buffer.write().push_change(store::Change {
            bucket: Bucket::Meta,
            key: Bytes::from_static(name),
            value: Some(key.with_bytes(Bytes::copy_from_slice)),
        });
    }
}
