//! How much of the log stays in memory for members that lag; who needs more gets a snapshot.
//!
//! At least so many entries are kept as the flags say, unless they are too many bytes. What a
//! follower that is alive has not acknowledged is kept as well, and, while a snapshot is on its way
//! and for some time after, everything behind it: else the receiver would at once need another.
//! Both are bounded by bytes.

use raft::Raft;
use types::Index;

/// The policy and what is held back at the moment.
#[derive(Debug)]
pub(crate) struct Retention {
    /// Entries that are kept in any case.
    pub(crate) entries: u64,
    /// Bytes beyond which fewer are kept.
    pub(crate) bytes_max: u64,
    /// Bytes beyond which nobody is waited for.
    pub(crate) held_bytes_max: u64,
    /// Ticks for which entries behind a snapshot are kept after it was delivered.
    pub(crate) grace: u64,
    /// Everything after this index is kept until this tick.
    snapshot: Option<(Index, Option<u64>)>,
}

impl Retention {
    pub(crate) fn new(entries: u64, bytes_max: u64, held_bytes_max: u64, grace: u64) -> Self {
        Self {
            entries,
            bytes_max,
            held_bytes_max,
            grace,
            snapshot: None,
        }
    }

    /// A snapshot at `index` was asked for.
    pub(crate) fn snapshot_begins(&mut self, index: Index) {
        let index = self.snapshot.map_or(index, |(held, _)| held.min(index));
        self.snapshot = Some((index, None));
    }

    /// A snapshot was delivered, or failed.
    pub(crate) fn snapshot_ends(&mut self, now: u64) {
        if let Some((_, until)) = &mut self.snapshot {
            *until = Some(now + self.grace);
        }
    }

    /// Nobody is sent anything by this member any more.
    pub(crate) fn forget_snapshots(&mut self) {
        self.snapshot = None;
    }

    /// The tick has come to `now`.
    pub(crate) fn tick(&mut self, now: u64) {
        self.snapshot
            .take_if(|(_, until)| until.is_some_and(|until| now >= until));
    }

    /// Up to where the log may be dropped; everything up to `covered` is applied and stored.
    pub(crate) fn cut(&self, raft: &Raft, covered: Index) -> Index {
        let by_count = Index(covered.0.saturating_sub(self.entries));
        let is_heavy = raft.held_bytes() > self.held_bytes_max;
        let needed = [raft.slowest_active(), self.snapshot.map(|(index, _)| index)];
        let needed = needed.into_iter().flatten().min().filter(|_| !is_heavy);
        if let Some(needed) = needed.filter(|needed| *needed <= by_count) {
            return needed;
        }
        let kept = by_count.max(raft.lightened_to(self.bytes_max, covered));
        needed.map_or(kept, |needed| kept.min(needed))
    }
}
