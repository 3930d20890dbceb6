//! What happened from some revision on, for watchers that are behind.
//!
//! A range of few keys is answered from the index, which knows their revisions: only records that
//! are wanted are read. Any other range is answered by reading all records from that revision on.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use types::{Event, KeyRange, Revision, RevisionEvents};

use crate::encode;
use crate::index::{Cursor, Index, View};
use crate::key::{Change, KeyEntry};
use crate::query::{Fault, RangeError};
use crate::shared::Shared;
use store::Entry;

/// Up to this many keys are answered from the index.
const INDEXED_KEYS_MAX: usize = 128;
/// Records read from the store at a time.
const SCAN_RECORDS: usize = 1024;
/// Bytes read from the store at a time.
const SCAN_BYTES: usize = 1 << 20;
/// Records that one call looks at: a call for a range without events must come to an end too.
const RECORDS_MAX: usize = 16_384;

/// A part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The revisions with events, ascending, each with all its events in the range.
    pub events: Vec<Arc<RevisionEvents>>,
    /// Where to go on: everything below is in `events`. One above the current revision at the end.
    pub next: i64,
}

/// A history in the making.
struct Builder {
    events: Vec<Arc<RevisionEvents>>,
    open: Vec<Event>,
    open_revision: i64,
    revisions_max: usize,
    bytes_max: usize,
    bytes: usize,
}

impl Builder {
    fn new(revisions_max: usize, bytes_max: usize) -> Self {
        Self {
            events: Vec::new(),
            open: Vec::new(),
            open_revision: 0,
            revisions_max,
            bytes_max,
            bytes: 0,
        }
    }

    /// Begins the changes of the main revision `main`; false when there is no room for them.
    fn enter(&mut self, main: i64) -> bool {
        if main != self.open_revision {
            self.close();
            let is_full = self.events.len() >= self.revisions_max || self.bytes >= self.bytes_max;
            if is_full && !self.events.is_empty() {
                return false;
            }
            self.open_revision = main;
        }
        true
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.encoded.len();
        self.open.push(event);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let events = std::mem::take(&mut self.open);
            self.events.push(Arc::new(RevisionEvents {
                revision: self.open_revision,
                events,
            }));
        }
    }

    fn finish(mut self, next: i64) -> History {
        self.close();
        History {
            events: self.events,
            next,
        }
    }
}

/// See [`crate::Reader::history`].
pub(crate) fn read(
    shared: &Shared,
    range: &KeyRange,
    from: i64,
    revisions_max: usize,
    bytes_max: usize,
) -> Result<History, RangeError> {
    let (current, compacted, indexed) = shared.with_index(|index| {
        index.check_not_compacted(from)?;
        let indexed = Indexed::collect(index, range, from, revisions_max);
        Ok::<_, RangeError>((index.current, index.compacted, indexed))
    })?;
    let builder = Builder::new(revisions_max, bytes_max);
    if from > current {
        return Ok(builder.finish(from));
    }
    let result = match indexed {
        Some(indexed) => indexed.read(shared, builder, current),
        None => scan(shared, range, from, (current, compacted), builder),
    };
    // A compaction in the meantime may have taken records away.
    shared.with_index(|index| index.check_not_compacted(from))?;
    Ok(result?)
}

/// The changes of a few keys.
struct Indexed {
    keys: Vec<Bytes>,
    /// Each with the position of its key; ascending.
    changes: Vec<(Change, usize)>,
}

impl Indexed {
    /// The changes from `from` on, as far as they can be among the first `revisions_max` revisions;
    /// `None` if the range has too many keys.
    fn collect(index: &Index, range: &KeyRange, from: i64, revisions_max: usize) -> Option<Self> {
        let mut found = Self {
            keys: Vec::new(),
            changes: Vec::new(),
        };
        let mut visited = 0;
        Cursor::new(range, i64::MAX, None).step_entries(index, |entry| {
            visited += 1;
            if visited > INDEXED_KEYS_MAX {
                return ControlFlow::Break(());
            }
            let position = found.keys.len();
            let mut revisions = 0;
            let mut last = None;
            for change in entry.changes_from(from) {
                if !is_left(entry, change, index.compacted) {
                    continue;
                }
                if last != Some(change.main) {
                    last = Some(change.main);
                    revisions += 1;
                    // One revision more, so that the end of the list is not taken for the end of
                    // the history.
                    if revisions > revisions_max.saturating_add(1) {
                        break;
                    }
                }
                found.changes.push((change, position));
            }
            found.keys.push(Bytes::copy_from_slice(entry.key()));
            ControlFlow::Continue(())
        });
        found
            .changes
            .sort_unstable_by_key(|(change, _)| change.revision());
        (visited <= INDEXED_KEYS_MAX).then_some(found)
    }

    fn read(self, shared: &Shared, mut builder: Builder, current: i64) -> Result<History, Fault> {
        for (change, position) in self.changes {
            if !builder.enter(change.main) {
                return Ok(builder.finish(change.main));
            }
            let revision = change.revision();
            let record = if change.tombstone {
                encode::tombstone(&self.keys[position])
            } else {
                shared.record_in_walk(revision)?
            };
            builder.push(event(revision, change.tombstone, &record)?);
        }
        Ok(builder.finish(current + 1))
    }
}

/// Whether a compaction leaves a change, if it has not been given up yet. Only where reading begins
/// at the compacted revision itself there are changes that it does not: those that were replaced
/// within their transaction.
fn is_left(entry: &KeyEntry, change: Change, compacted: i64) -> bool {
    change.main > compacted || entry.newest_change_at(compacted) == Some(change)
}

/// Reads all records from `from` on and picks those of the range.
fn scan(
    shared: &Shared,
    range: &KeyRange,
    from: i64,
    (current, compacted): (i64, i64),
    mut builder: Builder,
) -> Result<History, Fault> {
    let mut next = Revision::new(from, 0);
    let mut entries = VecDeque::new();
    let mut seen = 0;
    loop {
        let Some(Entry {
            revision,
            tombstone,
            record,
        }) = entries.pop_front()
        else {
            entries = shared.scan(next, current, SCAN_RECORDS, SCAN_BYTES)?.into();
            if entries.is_empty() {
                return Ok(builder.finish(current + 1));
            }
            continue;
        };
        // Stop only between two revisions.
        let begins = revision.main != builder.open_revision;
        if (begins && seen >= RECORDS_MAX) || !builder.enter(revision.main) {
            return Ok(builder.finish(revision.main));
        }
        seen += 1;
        next = Revision::new(revision.main, revision.sub + 1);
        let Some(key) = encode::key_of(&record).filter(|key| range.contains(key)) else {
            continue;
        };
        let is_wanted = revision.main > compacted
            || shared.with_index(|index| {
                let newest = index.tree.get(key)?.newest_change_at(compacted)?;
                Some(newest.revision() == revision)
            }) == Some(true);
        if is_wanted {
            builder.push(event(revision, tombstone, &record)?);
        }
    }
}

fn event(revision: Revision, tombstone: bool, record: &Bytes) -> Result<Event, Fault> {
    encode::event(revision, tombstone, record).map_err(|source| Fault::Damaged { revision, source })
}
