//! The log in memory: entries after the last compaction, and five marks into them.
//!
//! ```text
//!   offset <= applied <= handed <= commit <= last        compacted | in memory
//!                        handed <= stable <= issued <= last
//! ```
//! *offset*: the entry before the first in memory; its term is known. *applied*: the state machine
//! has it. *handed*: given out to be applied. *commit*: a quorum has it. *issued*: given out to be
//! written. *stable*: durable on this member.
//!
//! Writes are acknowledged by ticket, in the order of issue. A truncation lowers what the tickets
//! under way stand for, so that a late acknowledgement never vouches for entries that have replaced
//! the written ones.
//!
//! A received snapshot replaces everything: all marks jump to it, except `applied`, which follows
//! when the state machine has installed it; until then nothing is handed out.

use std::collections::VecDeque;

use types::{Entry, EntryKind, Index, Term};

use crate::{effects::Ticket, message::Snapshot};

/// What an entry weighs in a message beside its data; bounds batches of empty entries.
const ENTRY_OVERHEAD_BYTES: u64 = 24;

/// The weight of an entry against the bounds on messages and on what is being applied.
pub(crate) fn weight(entry: &Entry) -> u64 {
    entry.data.len() as u64 + ENTRY_OVERHEAD_BYTES
}

/// See the module head.
#[derive(Debug)]
pub(crate) struct Log {
    offset: Index,
    offset_term: Term,
    entries: VecDeque<Entry>,
    issued: Index,
    stable: Index,
    commit: Index,
    handed: Index,
    applied: Index,
    /// The weight of what is handed out and not yet applied.
    applying_bytes: u64,
    /// The weight of all entries in memory.
    held_bytes: u64,
    /// Writes under way: the ticket, and up to where the log is durable once it is acknowledged.
    writes: VecDeque<(Ticket, Index)>,
    /// Received and not yet issued.
    snapshot: Option<Snapshot>,
}

impl Log {
    /// The log of a member that starts: everything given is durable.
    pub(crate) fn new(
        (offset, offset_term): (Index, Term),
        entries: Vec<Entry>,
        commit: Index,
        applied: Index,
    ) -> Self {
        let last = Index(offset.0 + entries.len() as u64);
        Self {
            held_bytes: entries.iter().map(weight).sum(),
            offset,
            offset_term,
            entries: entries.into(),
            issued: last,
            stable: last,
            commit,
            handed: applied,
            applied,
            applying_bytes: 0,
            writes: VecDeque::new(),
            snapshot: None,
        }
    }

    pub(crate) fn first(&self) -> Index {
        self.offset.next()
    }

    pub(crate) fn last(&self) -> Index {
        Index(self.offset.0 + self.entries.len() as u64)
    }

    pub(crate) fn commit(&self) -> Index {
        self.commit
    }

    pub(crate) fn stable(&self) -> Index {
        self.stable
    }

    pub(crate) fn applied(&self) -> Index {
        self.applied
    }

    /// The term of the last entry.
    pub(crate) fn last_term(&self) -> Term {
        self.entries
            .back()
            .map_or(self.offset_term, |entry| entry.term)
    }

    /// The term of the entry at `index`, if it is the offset or in memory.
    pub(crate) fn term(&self, index: Index) -> Option<Term> {
        if index == self.offset {
            return Some(self.offset_term);
        }
        self.entries
            .get(self.position(index)?)
            .map(|entry| entry.term)
    }

    /// Whether a log that ends with (`index`, `term`) is at least as complete as this one.
    pub(crate) fn is_covered_by(&self, index: Index, term: Term) -> bool {
        (term, index) >= (self.last_term(), self.last())
    }

    /// The greatest index at or below `index` whose term is at most `term`, with its term; term 0
    /// where that lies before the memory.
    pub(crate) fn agreement(&self, index: Index, term: Term) -> (Index, Term) {
        if index < self.offset {
            return (index, Term(0));
        }
        // Terms never fall along a log.
        let older = self.entries.partition_point(|entry| entry.term <= term) as u64;
        let found = Index(index.0.min(self.offset.0 + older));
        if found > self.offset || self.offset_term <= term {
            return (found, self.term(found).unwrap_or_default());
        }
        (Index(self.offset.0.saturating_sub(1)), Term(0))
    }

    /// Copies the entries from `from` on, at least one if there is one, up to `bytes_max`.
    pub(crate) fn slice(&self, from: Index, bytes_max: u64) -> Vec<Entry> {
        let start = match self.position(from) {
            Some(start) if start < self.entries.len() => start,
            _ => return Vec::new(),
        };
        let mut bytes = 0;
        self.entries
            .range(start..)
            .take_while(|entry| {
                let is_first = bytes == 0;
                bytes += weight(entry);
                is_first || bytes <= bytes_max
            })
            .cloned()
            .collect()
    }

    /// Appends one entry of this member's own term.
    pub(crate) fn push(&mut self, kind: EntryKind, term: Term, data: bytes::Bytes) {
        let index = self.last().next();
        self.append(Entry {
            kind,
            term,
            index,
            data,
        });
    }

    fn append(&mut self, entry: Entry) {
        self.held_bytes += weight(&entry);
        self.entries.push_back(entry);
    }

    /// Takes a leader's entries, which follow a position that is known to match: skips what is
    /// here, truncates at the first difference. All of them lie above the commit index.
    pub(crate) fn merge(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            match self.term(entry.index) {
                Some(term) if term == entry.term => continue,
                Some(_) => self.truncate(entry.index),
                None => {}
            }
            assert!(entry.index == self.last().next(), "entries are contiguous");
            self.append(entry);
        }
    }

    /// Removes the entries from `from` on.
    fn truncate(&mut self, from: Index) {
        assert!(from > self.commit, "a committed entry is never replaced");
        let keep = Index(from.0 - 1);
        let position = self.position(from).unwrap_or(0);
        self.held_bytes -= self.entries.range(position..).map(weight).sum::<u64>();
        self.entries.truncate(position);
        self.forget_writes_above(keep);
    }

    fn forget_writes_above(&mut self, keep: Index) {
        self.issued = self.issued.min(keep);
        self.stable = self.stable.min(keep);
        for (_, last) in &mut self.writes {
            *last = (*last).min(keep);
        }
    }

    /// Raises the commit index.
    pub(crate) fn commit_to(&mut self, index: Index) {
        assert!(index <= self.last(), "only what is in the log is committed");
        self.commit = self.commit.max(index);
    }

    /// Replaces the log by a snapshot beyond the commit index.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        let (index, term) = (snapshot.mark.index, snapshot.mark.term);
        self.offset = index;
        self.offset_term = term;
        self.entries.clear();
        self.forget_writes_above(index);
        self.issued = index;
        self.stable = index;
        self.commit = index;
        self.handed = index;
        self.applying_bytes = 0;
        self.held_bytes = 0;
        self.snapshot = Some(snapshot);
    }

    /// Whether a received snapshot has yet to be installed.
    pub(crate) fn is_restoring(&self) -> bool {
        self.applied < self.offset
    }

    /// Whether something waits to be written.
    pub(crate) fn has_unissued(&self) -> bool {
        self.snapshot.is_some() || self.issued < self.last()
    }

    /// Gives out what is to be written under `ticket`.
    pub(crate) fn issue(&mut self, ticket: Ticket) -> (Option<Snapshot>, Vec<Entry>) {
        let entries = self.slice(self.issued.next(), u64::MAX);
        self.issued = self.last();
        self.writes.push_back((ticket, self.issued));
        (self.snapshot.take(), entries)
    }

    /// Everything issued up to `ticket` is durable.
    pub(crate) fn persisted(&mut self, ticket: Ticket) {
        while let Some((written, last)) = self.writes.front().copied() {
            if written > ticket {
                break;
            }
            self.writes.pop_front();
            self.stable = self.stable.max(last);
        }
    }

    /// Gives out what may be applied: committed, durable here, and within `bytes_max` together with
    /// what is being applied (but never nothing while nothing is being applied).
    pub(crate) fn hand_out(&mut self, bytes_max: u64) -> Vec<Entry> {
        let upto = self.commit.min(self.stable);
        if self.handed >= upto || self.is_restoring() {
            return Vec::new();
        }
        let start = self.position(self.handed.next()).unwrap_or(0);
        let end = self.position(upto.next()).unwrap_or(0);
        let mut entries = Vec::with_capacity(end - start);
        for entry in self.entries.range(start..end) {
            let bytes = self.applying_bytes + weight(entry);
            if self.applying_bytes > 0 && bytes > bytes_max {
                break;
            }
            self.applying_bytes = bytes;
            entries.push(entry.clone());
        }
        self.handed = Index(self.handed.0 + entries.len() as u64);
        entries
    }

    /// The state machine has everything up to `index`.
    pub(crate) fn applied_to(&mut self, index: Index) {
        assert!(index <= self.handed, "only what was handed out is applied");
        if index <= self.applied {
            return;
        }
        let start = self.position(self.applied.next()).unwrap_or(0);
        let end = self.position(index.next()).unwrap_or(0);
        // Weights of entries that a snapshot has replaced are gone already.
        let bytes: u64 = self.entries.range(start..end).map(weight).sum();
        self.applying_bytes = self.applying_bytes.saturating_sub(bytes);
        self.applied = index;
    }

    /// Whether a committed configuration change waits to be applied.
    pub(crate) fn has_unapplied_conf_change(&self) -> bool {
        let (Some(start), Some(end)) = (
            self.position(self.applied.next()),
            self.position(self.commit.next()),
        ) else {
            return false;
        };
        self.entries
            .range(start..end)
            .any(|entry| entry.kind != EntryKind::Normal)
    }

    /// Drops entries up to `index` from memory, as far as they are applied and durable.
    pub(crate) fn compact(&mut self, index: Index) {
        let index = index.min(self.applied).min(self.stable);
        if index <= self.offset {
            return;
        }
        self.offset_term = self.term(index).unwrap_or(self.offset_term);
        let dropped = self
            .entries
            .drain(..self.position(index.next()).unwrap_or(0));
        self.held_bytes -= dropped.map(|entry| weight(&entry)).sum::<u64>();
        self.offset = index;
    }

    /// The weight of all entries in memory.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The least index, up to `upto`, behind which the entries weigh no more than `bytes_max`.
    pub(crate) fn lightened_to(&self, bytes_max: u64, upto: Index) -> Index {
        let (mut at, mut bytes) = (self.offset, self.held_bytes);
        for entry in &self.entries {
            if bytes <= bytes_max || at >= upto {
                break;
            }
            (at, bytes) = (entry.index, bytes - weight(entry));
        }
        at
    }

    /// Where in `entries` the index lies; `None` at or before the offset.
    fn position(&self, index: Index) -> Option<usize> {
        usize::try_from(index.0.checked_sub(self.offset.0)?.checked_sub(1)?).ok()
    }
}

#[cfg(test)]
mod tests;
