//! One watcher as its stream knows it.

use std::sync::Arc;

use types::{Event, KeyRange};

use crate::mailbox::Address;
use crate::request::Filters;

/// What a watcher wants; shared with the response that is being made for it.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) watch_id: i64,
    pub(crate) range: KeyRange,
    pub(crate) filters: Filters,
    pub(crate) prev_kv: bool,
    pub(crate) fragment: bool,
    /// As the client gave it; 0 when it did not.
    pub(crate) start_revision: i64,
}

/// A watcher and how far it is.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Unique in the stream, unlike the id, which may be used again.
    pub(crate) serial: u64,
    pub(crate) spec: Arc<Spec>,
    pub(crate) state: State,
    /// Present when quiet periods are to be reported.
    pub(crate) notify: Option<Notify>,
}

/// How far a watcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Registered with the hub, having seen everything below `from`. The hub may have dropped it
    /// since; the mailbox then holds the marker that says so.
    Synced { address: Address, from: i64 },
    /// It has seen everything below `next`.
    Behind { next: i64 },
    /// It needed what was compacted; kept until the client cancels it.
    Compacted,
}

/// The quiet periods of a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notify {
    /// Whether nothing was sent since the last tick.
    pub(crate) quiet: bool,
    /// Whether a mark for this watcher is in the mailbox.
    pub(crate) queued: bool,
}

impl Spec {
    /// Whether the watcher wants this event.
    pub(crate) fn admits(&self, event: &Event) -> bool {
        self.filters.admits(event.kind) && self.range.contains(&event.key)
    }
}

impl Watcher {
    /// The revision up to which this watcher needs nothing but what was given to it, when
    /// everything up to `published` has been; none while it is behind or lies in the future.
    pub(crate) fn seen_at(&self, published: i64) -> Option<i64> {
        match self.state {
            State::Synced { from, .. } => {
                let seen = published.max(from - 1);
                (self.spec.start_revision <= published || self.spec.start_revision == 0)
                    .then_some(seen)
            }
            State::Behind { .. } | State::Compacted => None,
        }
    }

    /// The address under which it is registered.
    pub(crate) fn address(&self) -> Option<Address> {
        match self.state {
            State::Synced { address, .. } => Some(address),
            State::Behind { .. } | State::Compacted => None,
        }
    }
}
