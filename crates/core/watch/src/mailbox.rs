//! The bounded queue between the apply thread and one stream.
//!
//! Entries of events count against the bounds; a marker that a watcher has fallen behind does not,
//! as there is at most one for each watcher until the stream has taken it out. Bytes are counted
//! once per revision, however many watchers of the stream it concerns, because they share it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use types::RevisionEvents;

use crate::limits::Limits;
use crate::stats::Counters;

/// Tells the owner of a stream that it has something to send.
///
/// Called when the mailbox turns from empty to not empty, from the publishing thread and without
/// a lock held; it must not block.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Which registration of a watcher an entry belongs to; never used twice, so that entries of a
/// watcher that has gone are recognised although its id may be in use again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// A registered watcher, as the entries name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) watch_id: i64,
    pub(crate) ticket: Ticket,
}

/// What waits for the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// At least one event of this revision concerns the watcher.
    Events {
        to: Address,
        events: Arc<RevisionEvents>,
        /// What the revision keeps in memory.
        weight: usize,
    },
    /// The watcher is no longer registered; what it needs from `from` is in the history.
    Lapsed { to: Address, from: i64 },
    /// Everything of this watcher up to `revision` is before this entry.
    Quiet { to: Address, revision: i64 },
    /// Everything of the stream up to this revision is before this entry.
    Progress { revision: i64 },
}

/// The queue and its owner.
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    wake: Wake,
    items_max: usize,
    bytes_max: usize,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Weight of the distinct revisions in `items`.
    bytes: usize,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is in the queue, which was empty before.
    First,
    /// It is in the queue.
    Queued,
    /// There is no room.
    Full,
}

/// What the revision keeps in memory, roughly.
pub(crate) fn weight(events: &RevisionEvents) -> usize {
    events
        .events
        .iter()
        .map(|event| size_of_val(event) + event.key.len() + event.encoded.len())
        .sum()
}

impl Mailbox {
    pub(crate) fn new(wake: Wake, limits: &Limits, counters: Arc<Counters>) -> Self {
        Self {
            queue: Mutex::default(),
            wake,
            items_max: limits.mailbox_items,
            bytes_max: limits.mailbox_bytes,
            counters,
        }
    }

    /// Puts events in, if there is room; an empty queue takes anything.
    pub(crate) fn offer(&self, to: Address, events: &Arc<RevisionEvents>, weight: usize) -> Offer {
        let mut queue = self.queue.lock();
        let added = if queue.ends_with(events.revision) {
            0
        } else {
            weight
        };
        let first = queue.items.is_empty();
        if !first
            && (queue.items.len() >= self.items_max
                || queue.bytes.saturating_add(added) > self.bytes_max)
        {
            return Offer::Full;
        }
        queue.bytes += added;
        let events = events.clone();
        self.push(&mut queue, Item::Events { to, events, weight })
    }

    /// Marks that a watcher has been taken out of the registry.
    pub(crate) fn lapse(&self, to: Address, from: i64) -> Offer {
        let mut queue = self.queue.lock();
        self.push(&mut queue, Item::Lapsed { to, from })
    }

    /// Puts marks of progress in, unless the queue is full: then the stream does not keep up. Says
    /// whether they are in.
    ///
    /// The revision of a mark is one that was published before: what belongs to it is in the queue.
    pub(crate) fn mark(&self, marks: &[Item]) -> bool {
        let mut queue = self.queue.lock();
        if queue.items.len() >= self.items_max {
            return false;
        }
        for mark in marks {
            self.push(&mut queue, mark.clone());
        }
        true
    }

    /// The oldest entry.
    pub(crate) fn pop(&self) -> Option<Item> {
        let mut queue = self.queue.lock();
        let item = queue.items.pop_front()?;
        if let Item::Events { events, weight, .. } = &item
            && !queue.starts_with(events.revision)
        {
            queue.bytes -= weight;
        }
        self.counters.pending.add(-1);
        Some(item)
    }

    /// For whom the oldest entry is, and the revision that it needs next, if it is one of events.
    pub(crate) fn oldest(&self) -> Option<(i64, i64)> {
        match self.queue.lock().items.front()? {
            Item::Events { to, events, .. } => Some((to.watch_id, events.revision)),
            Item::Lapsed { to, from } => Some((to.watch_id, *from)),
            Item::Quiet { .. } | Item::Progress { .. } => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.lock().items.is_empty()
    }

    pub(crate) fn wake(&self) {
        (self.wake)();
    }

    /// Entries and bytes that wait.
    #[cfg(test)]
    pub(crate) fn load(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.items.len(), queue.bytes)
    }

    fn push(&self, queue: &mut Queue, item: Item) -> Offer {
        let first = queue.items.is_empty();
        queue.items.push_back(item);
        self.counters.pending.add(1);
        if first { Offer::First } else { Offer::Queued }
    }
}

impl Queue {
    /// Whether the newest entry holds events of `revision`. Other entries may lie between two of
    /// the same revision; it is then counted twice, which [`Queue::starts_with`] mirrors.
    fn ends_with(&self, revision: i64) -> bool {
        matches!(self.items.back(), Some(Item::Events { events, .. }) if events.revision == revision)
    }

    fn starts_with(&self, revision: i64) -> bool {
        matches!(self.items.front(), Some(Item::Events { events, .. }) if events.revision == revision)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let waiting = self.queue.get_mut().items.len();
        self.counters
            .pending
            .add(-i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "mailbox/tests.rs"]
mod tests;
