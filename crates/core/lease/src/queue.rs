//! When to look at which lease next: an ordered set with at most one entry per lease.
//!
//! An entry may be earlier than what it stands for. A renewal only moves the deadline in the
//! lease; the entry is moved when it comes up. So a keep-alive costs one lookup, and the queue
//! never holds more entries than there are leases.

use std::collections::BTreeSet;

use types::LeaseId;

use crate::time::Millis;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeSet<(Millis, LeaseId)>,
}

impl Queue {
    /// Replaces everything; sorted input is built in one pass.
    pub(crate) fn rebuild(&mut self, entries: impl IntoIterator<Item = (Millis, LeaseId)>) {
        self.entries = entries.into_iter().collect();
    }

    pub(crate) fn insert(&mut self, at: Millis, id: LeaseId) {
        self.entries.insert((at, id));
    }

    pub(crate) fn remove(&mut self, at: Millis, id: LeaseId) {
        self.entries.remove(&(at, id));
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Takes the earliest entry if its time has come.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<LeaseId> {
        let first = *self.entries.first()?;
        if first.0 > now {
            return None;
        }
        self.entries.remove(&first);
        Some(first.1)
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.entries.first().map(|(at, _)| *at)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
