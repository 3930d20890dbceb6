//! What is applied but not yet in the store's files, and what went there lately.
//!
//! ```text
//!  recent (flushed)      pending (taken)      open
//! [ batch ][ batch ]    [ batch ][ batch ]    [ entry entry … ]      revisions rise to the right
//! ```
//! The apply thread appends to `open`. Taking a batch moves `open` as a whole into a shared batch:
//! the store thread writes it and readers go on finding their records in it. Once it is flushed a
//! batch stays as a cache of the newest values, until the limit of bytes pushes it out.
//!
//! Invariant: a record leaves only after the store has it, so "not here" means "in the store".

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use types::{Index, Revision, Term};

use store::{Batch, Change, Entry};

/// What an entry costs beside its bytes: its place in the batch and the allocator's share.
const ENTRY_OVERHEAD_BYTES: usize = size_of::<Entry>() + 40;

/// A batch that was taken.
#[derive(Debug)]
struct Held {
    id: u64,
    batch: Arc<Batch>,
    /// At or below every revision of the batch and above those of the batch before, even if the
    /// batch has no entries.
    low: Revision,
    bytes: usize,
}

/// The records that readers find without the store.
#[derive(Debug)]
pub(crate) struct Buffer {
    open: Vec<Entry>,
    open_bytes: usize,
    changes: Vec<Change>,
    /// Oldest first; the last `pending` of them are not flushed.
    batches: VecDeque<Held>,
    pending: usize,
    recent_bytes: usize,
    recent_bytes_max: usize,
    next_id: u64,
}

impl Buffer {
    /// An empty buffer that keeps up to `recent_bytes_max` of flushed records.
    pub(crate) fn new(recent_bytes_max: usize) -> Self {
        Self {
            open: Vec::new(),
            open_bytes: 0,
            changes: Vec::new(),
            batches: VecDeque::new(),
            pending: 0,
            recent_bytes: 0,
            recent_bytes_max,
            next_id: 0,
        }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.open_bytes += entry.record.len() + ENTRY_OVERHEAD_BYTES;
        self.open.push(entry);
    }

    pub(crate) fn push_change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Records and bucket changes that no batch has taken.
    pub(crate) fn open_len(&self) -> usize {
        self.open.len() + self.changes.len()
    }

    /// The entries of the open batch from `position` on.
    pub(crate) fn open_from(&self, position: usize) -> &[Entry] {
        &self.open[position..]
    }

    /// How many entries the open batch has.
    pub(crate) fn open_entries(&self) -> usize {
        self.open.len()
    }

    /// Bytes that are held only here.
    pub(crate) fn unflushed_bytes(&self) -> usize {
        let pending: usize = self.pending_batches().map(|held| held.bytes).sum();
        self.open_bytes + pending
    }

    /// Closes the open batch; `next` is a revision above all that were pushed.
    pub(crate) fn take(&mut self, index: Index, term: Term, next: Revision) -> (u64, Arc<Batch>) {
        let entries = std::mem::take(&mut self.open);
        // The next batch will be about as large.
        self.open.reserve(entries.len().min(16_384));
        let batch = Arc::new(Batch {
            entries,
            changes: std::mem::take(&mut self.changes),
            consistent_index: index,
            term,
        });
        let id = self.next_id;
        self.next_id += 1;
        self.batches.push_back(Held {
            id,
            batch: Arc::clone(&batch),
            low: batch.entries.first().map_or(next, |entry| entry.revision),
            bytes: std::mem::take(&mut self.open_bytes),
        });
        self.pending += 1;
        (id, batch)
    }

    /// The store has the batch `id` and all before it. Returns what is to be dropped, so that the
    /// caller can do that without the lock.
    #[must_use]
    pub(crate) fn flushed(&mut self, id: u64) -> Vec<Arc<Batch>> {
        let first = self.batches.len() - self.pending;
        let done = self.batches.range(first..).take_while(|held| held.id <= id);
        let (count, bytes) = done.fold((0, 0), |(count, bytes), held| {
            (count + 1, bytes + held.bytes)
        });
        self.pending -= count;
        self.recent_bytes += bytes;
        let mut dropped = Vec::new();
        while self.recent_bytes > self.recent_bytes_max && self.batches.len() > self.pending {
            if let Some(held) = self.batches.pop_front() {
                self.recent_bytes -= held.bytes;
                dropped.push(held.batch);
            }
        }
        dropped
    }

    /// The record of `revision`, if it is here.
    pub(crate) fn get(&self, revision: Revision) -> Option<Bytes> {
        if self
            .open
            .first()
            .is_some_and(|first| first.revision <= revision)
        {
            return find(&self.open, revision);
        }
        let position = self.batches.partition_point(|held| held.low <= revision);
        find(
            &self.batches[position.checked_sub(1)?].batch.entries,
            revision,
        )
    }

    /// The first main revision that is not known to be in the store; `None` when all are.
    pub(crate) fn unflushed_from(&self) -> Option<i64> {
        self.pending_batches()
            .map(|held| held.batch.entries.as_slice())
            .chain([self.open.as_slice()])
            .find_map(|entries| entries.first())
            .map(|entry| entry.revision.main)
    }

    /// Up to `max` unflushed entries from `from` to the main revision `to`.
    pub(crate) fn scan(&self, from: Revision, to: i64, max: usize) -> Vec<Entry> {
        self.pending_batches()
            .map(|held| held.batch.entries.as_slice())
            .chain([self.open.as_slice()])
            .flat_map(|entries| &entries[entries.partition_point(|entry| entry.revision < from)..])
            .take_while(|entry| entry.revision.main <= to)
            .take(max)
            .cloned()
            .collect()
    }

    /// The bucket changes that are not known to be in the store, oldest first.
    pub(crate) fn unflushed_changes(&self) -> impl Iterator<Item = &Change> {
        self.pending_batches()
            .flat_map(|held| &held.batch.changes)
            .chain(&self.changes)
    }

    fn pending_batches(&self) -> impl Iterator<Item = &Held> {
        self.batches.range(self.batches.len() - self.pending..)
    }
}

fn find(entries: &[Entry], revision: Revision) -> Option<Bytes> {
    let first = entries.first()?.revision;
    // Most transactions make one change, so that the distance is the position.
    let guess = usize::try_from(revision.main - first.main).ok()?;
    if let Some(entry) = entries
        .get(guess)
        .filter(|entry| entry.revision == revision)
    {
        return Some(entry.record.clone());
    }
    let found = entries
        .binary_search_by(|entry| entry.revision.cmp(&revision))
        .ok()?;
    Some(entries[found].record.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(main: i64, sub: i64) -> Entry {
        Entry {
            revision: Revision::new(main, sub),
            tombstone: false,
            record: Bytes::from(format!("{main}.{sub}")),
        }
    }

    fn text(buffer: &Buffer, main: i64, sub: i64) -> Option<String> {
        let found = buffer.get(Revision::new(main, sub))?;
        Some(String::from_utf8(found.to_vec()).unwrap())
    }

    /// A record that is neither here nor in the store yet would be lost to readers.
    #[test]
    fn a_record_stays_until_flushed() {
        let mut buffer = Buffer::new(0);
        for (main, sub) in [(2, 0), (2, 1), (3, 0)] {
            buffer.push(entry(main, sub));
        }
        let (first, batch) = buffer.take(Index(1), Term(1), Revision::new(4, 0));
        assert_eq!(batch.entries.len(), 3);
        let (empty, _) = buffer.take(Index(2), Term(1), Revision::new(4, 0));
        buffer.push(entry(4, 0));
        let (last, _) = buffer.take(Index(3), Term(1), Revision::new(5, 0));
        buffer.push(entry(5, 0));
        for (main, sub) in [(2, 0), (2, 1), (3, 0), (4, 0), (5, 0)] {
            assert_eq!(text(&buffer, main, sub), Some(format!("{main}.{sub}")));
        }
        assert_eq!(text(&buffer, 3, 1), None);
        assert_eq!(text(&buffer, 1, 0), None);
        assert_eq!(buffer.unflushed_from(), Some(2));
        assert_eq!(buffer.flushed(first).len(), 1);
        assert_eq!(text(&buffer, 2, 1), None);
        assert_eq!(buffer.unflushed_from(), Some(4));
        assert_eq!(buffer.scan(Revision::new(3, 1), 9, 9).len(), 2);
        assert_eq!(buffer.scan(Revision::new(4, 0), 4, 9).len(), 1);
        assert!(empty < last);
        drop(buffer.flushed(last));
        assert_eq!(text(&buffer, 4, 0), None);
        assert_eq!(buffer.unflushed_from(), Some(5));
        assert_eq!(text(&buffer, 5, 0), Some("5.0".to_owned()));
    }

    /// Flushed records serve as a cache, within their limit.
    #[test]
    fn recent_batches_are_bounded() {
        let mut buffer = Buffer::new(4 * (ENTRY_OVERHEAD_BYTES + 3));
        for main in 2..9 {
            buffer.push(entry(main, 0));
            let (id, _) = buffer.take(Index(1), Term(1), Revision::new(main + 1, 0));
            drop(buffer.flushed(id));
        }
        assert_eq!(text(&buffer, 4, 0), None);
        for main in 5..9 {
            assert!(text(&buffer, main, 0).is_some());
        }
        assert_eq!(buffer.unflushed_bytes(), 0);
    }
}
