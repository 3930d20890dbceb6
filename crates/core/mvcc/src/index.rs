//! The index with the revisions it stands at, and how readers walk it without holding up writers.
//!
//! One lock guards tree and revisions together: the apply thread holds it from the first change of
//! a transaction to its end, so that readers see all of a transaction or nothing. Readers hold it
//! for at most [`STEP_KEYS`] keys and then go on at the same revision: history does not change, and
//! a compaction that overtakes them is noticed at the next step.

use std::ops::ControlFlow;

use types::{KeyRange, Revision};

use crate::key::{KeyEntry, Visible};
use crate::query::RangeError;
use crate::tree::{Start, Tree};

/// Keys that a reader may pass in one hold of the lock: some tens of microseconds.
pub(crate) const STEP_KEYS: usize = 512;

/// Tree and revisions.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) tree: Tree,
    /// The newest revision in the tree: what a reader at revision zero sees.
    pub(crate) current: i64,
    /// Reads below are refused; -1 when there was no compaction.
    pub(crate) compacted: i64,
    /// Records without a key, ascending.
    pub(crate) unnamed: Unnamed,
}

/// Records without a key, which an offline restore leaves to raise the revision. To etcd they are the
/// changes of a key that no request can name: the newest of them outlives all compactions, and
/// counts in hashes.
#[derive(Debug, Default)]
pub(crate) struct Unnamed(Vec<Revision>);

impl Unnamed {
    /// Takes the next one.
    pub(crate) fn push(&mut self, revision: Revision) {
        self.0.push(revision);
    }

    /// The newest one at a revision.
    pub(crate) fn at(&self, main: i64) -> Option<Revision> {
        let newer = self.0.partition_point(|revision| revision.main <= main);
        newer.checked_sub(1).map(|place| self.0[place])
    }

    /// Gives up those that a compaction does not leave.
    pub(crate) fn compact(&mut self, main: i64) -> impl Iterator<Item = Revision> {
        let newer = self.0.partition_point(|revision| revision.main <= main);
        self.0.drain(..newer.saturating_sub(1))
    }
}

impl Index {
    /// The revision to read at for a request that names `revision`.
    pub(crate) fn resolve(&self, revision: i64) -> Result<i64, RangeError> {
        if revision <= 0 {
            return Ok(self.current);
        }
        if revision > self.current {
            return Err(RangeError::Future {
                current: self.current,
            });
        }
        self.check_not_compacted(revision)?;
        Ok(revision)
    }

    pub(crate) fn check_not_compacted(&self, revision: i64) -> Result<(), RangeError> {
        if revision < self.compacted {
            return Err(RangeError::Compacted { at: self.compacted });
        }
        Ok(())
    }

    /// The number of keys of `range` at `revision`, if that is known without a walk.
    pub(crate) fn count(&self, range: &KeyRange, revision: i64) -> Option<usize> {
        (revision == self.current).then(|| self.tree.count(range))
    }
}

/// Whoever can look at the index: a reader locks it for each look, a transaction may hold it.
pub(crate) trait View {
    /// Looks at the index.
    fn with_index<T>(&self, look: impl FnOnce(&Index) -> T) -> T;
}

/// A walk over the keys of a range at a fixed revision, in steps.
#[derive(Debug)]
pub(crate) struct Cursor<'q> {
    range: &'q KeyRange,
    revision: i64,
    after: Option<Vec<u8>>,
    done: bool,
}

impl<'q> Cursor<'q> {
    /// A walk over all of `range` at `revision`, or the part after the key `after`.
    pub(crate) fn new(range: &'q KeyRange, revision: i64, after: Option<&[u8]>) -> Self {
        Self {
            range,
            revision,
            after: after.map(<[u8]>::to_vec),
            done: false,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The key after which the walk goes on.
    pub(crate) fn position(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// One step: `visit` sees the keys visible at the revision, until it breaks. A key at which it
    /// breaks counts as seen.
    pub(crate) fn step(
        &mut self,
        index: &Index,
        mut visit: impl FnMut(&KeyEntry, Visible) -> ControlFlow<()>,
    ) {
        let revision = self.revision;
        self.step_entries(index, |entry| match entry.at(revision) {
            Some(visible) => visit(entry, visible),
            None => ControlFlow::Continue(()),
        });
    }

    /// One step over all entries, visible or not.
    pub(crate) fn step_entries(
        &mut self,
        index: &Index,
        mut visit: impl FnMut(&KeyEntry) -> ControlFlow<()>,
    ) {
        let start = self.range.start();
        let from = match &self.after {
            Some(after) if after.as_slice() >= start => Start::After(after),
            _ => Start::At(start),
        };
        let mut left = STEP_KEYS;
        let mut stopped_at = None;
        let _ = index.tree.walk(from, self.range, &mut |entry| {
            left -= 1;
            if visit(entry).is_break() || left == 0 {
                stopped_at = Some(entry.key().to_vec());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        self.done = stopped_at.is_none();
        if stopped_at.is_some() {
            self.after = stopped_at;
        }
    }
}
