//! Counts for the metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A look at the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open streams.
    pub streams: i64,
    /// Watchers that have not been cancelled.
    pub watchers: i64,
    /// Watchers that are behind.
    pub slow_watchers: i64,
    /// Events sent since the start.
    pub events: u64,
    /// Entries that wait in mailboxes.
    pub pending: i64,
}

/// The counters behind [`Stats`]; no order between them is promised.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) streams: Gauge,
    pub(crate) watchers: Gauge,
    pub(crate) synced: Gauge,
    pub(crate) behind: Gauge,
    pub(crate) pending: Gauge,
    pub(crate) events: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            streams: self.streams.get(),
            watchers: self.watchers.get(),
            slow_watchers: self.behind.get(),
            events: self.events.load(Relaxed),
            pending: self.pending.get(),
        }
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn add(&self, change: i64) {
        self.0.fetch_add(change, Relaxed);
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}
