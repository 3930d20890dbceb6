//! Counters of the store's operations, for the metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Counters that any thread may raise and read; they order nothing.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) ranges: Counter,
    pub(crate) puts: Counter,
    pub(crate) put_bytes: Counter,
    pub(crate) deletes: Counter,
    pub(crate) txns: Counter,
    pub(crate) compacted_records: Counter,
    finished_compaction: AtomicI64,
}

impl Counters {
    /// All zero, after a start that found this compaction finished.
    pub(crate) fn new(finished_compaction: i64) -> Self {
        Self {
            ranges: Counter::default(),
            puts: Counter::default(),
            put_bytes: Counter::default(),
            deletes: Counter::default(),
            txns: Counter::default(),
            compacted_records: Counter::default(),
            finished_compaction: AtomicI64::new(finished_compaction),
        }
    }

    pub(crate) fn finished_compaction(&self) -> i64 {
        self.finished_compaction.load(Ordering::Relaxed)
    }

    pub(crate) fn set_finished_compaction(&self, revision: i64) {
        self.finished_compaction.store(revision, Ordering::Relaxed);
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the store has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Ranges read, those inside transactions included.
    pub ranges: u64,
    /// Keys put.
    pub puts: u64,
    /// Bytes of keys and values put.
    pub put_bytes: u64,
    /// Keys deleted.
    pub deletes: u64,
    /// Transactions with more than one operation.
    pub txns: u64,
    /// Live keys.
    pub keys: u64,
    /// Length of the store's files.
    pub total_bytes: u64,
    /// The live part of the store's files.
    pub in_use_bytes: u64,
    /// Applied bytes that wait to be written to the store.
    pub unflushed_bytes: u64,
    /// Records that compactions have given up.
    pub compacted_records: u64,
    /// The newest compaction that is finished; -1 for none.
    pub finished_compaction: i64,
}
