//! What a member is told once, and what it finds when it starts.

use types::Index;

use crate::retention::Retention;

/// What a member is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Consensus.
    pub raft: raft::Config,
    /// Entries between two marks of the log (`--snapshot-count`).
    pub mark_every: u64,
    /// Entries kept in memory for followers that lag (`--snapshot-catchup-entries`).
    pub catch_up_entries: u64,
    /// Bytes of entries beyond which fewer are kept.
    pub catch_up_bytes: u64,
    /// Bytes of entries beyond which no follower is waited for, so that it needs a snapshot.
    pub lag_bytes: u64,
    /// Ticks for which the entries behind a snapshot are kept after it was delivered.
    pub snapshot_grace_ticks: u64,
    /// Ticks after which a request that nobody takes is given up; its caller has given up then.
    pub request_ticks: u64,
    /// Ticks after which the leader is asked again for a read that it has not confirmed.
    pub read_retry_ticks: u64,
}

impl Config {
    /// Etcd's settings, at a heartbeat of 100 ms.
    #[must_use]
    pub fn new(raft: raft::Config) -> Self {
        Self {
            raft,
            mark_every: 10_000,
            catch_up_entries: 5_000,
            catch_up_bytes: 128 << 20,
            lag_bytes: 512 << 20,
            snapshot_grace_ticks: 300,
            request_ticks: 70,
            read_retry_ticks: 5,
        }
    }

    pub(crate) fn retention(&self) -> Retention {
        Retention::new(
            self.catch_up_entries,
            self.catch_up_bytes,
            self.lag_bytes,
            self.snapshot_grace_ticks,
        )
    }
}

/// What a member finds when it starts.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Hard state, mark, entries and applied index.
    pub raft: raft::Restored,
    /// The index of the newest mark in the log.
    pub mark: Index,
    /// Whether it was removed from the cluster before.
    pub is_removed: bool,
}
