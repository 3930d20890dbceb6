//! How much of the log stays in memory for members that lag; who needs more gets a snapshot.
//!
//! At least so many entries are kept as the flags say, unless they are too many bytes. What a
//! follower that is alive has not acknowledged is kept as well, and, while a snapshot is on its way
//! and for some time after, everything behind it: else the receiver would at once need another.
//! Both are bounded by bytes.

use raft::Raft;
use types::{Index, MemberId};

/// The policy and what is held back at the moment.
#[derive(Debug)]
pub(crate) struct Retention {
    /// Entries that are kept in any case.
    entries: u64,
    /// Bytes beyond which fewer are kept.
    bytes_max: u64,
    /// Bytes beyond which nobody is waited for.
    held_bytes_max: u64,
    /// Ticks for which a receiver may take to go on behind its snapshot.
    grace: u64,
    /// The snapshots on their way, one a receiver.
    snapshots: Vec<Held>,
}

/// What is kept for the receiver of a snapshot.
#[derive(Debug)]
struct Held {
    to: MemberId,
    /// Everything after this index.
    index: Index,
    /// Until this tick; none while the snapshot is on its way.
    until: Option<u64>,
}

impl Retention {
    pub(crate) fn new(entries: u64, bytes_max: u64, held_bytes_max: u64, grace: u64) -> Self {
        Self {
            entries,
            bytes_max,
            held_bytes_max,
            grace,
            snapshots: Vec::new(),
        }
    }

    /// A snapshot at `index` was asked for.
    pub(crate) fn snapshot_begins(&mut self, to: MemberId, index: Index) {
        self.snapshots.retain(|held| held.to != to);
        let until = None;
        self.snapshots.push(Held { to, index, until });
    }

    /// A snapshot was delivered, or failed.
    pub(crate) fn snapshot_ends(&mut self, to: MemberId, now: u64) {
        for held in self.snapshots.iter_mut().filter(|held| held.to == to) {
            held.until = Some(now + self.grace);
        }
    }

    /// Nobody is sent anything by this member any more.
    pub(crate) fn forget_snapshots(&mut self) {
        self.snapshots.clear();
    }

    /// The tick has come to `now`: whoever goes on behind its snapshot needs no more than others.
    pub(crate) fn tick(&mut self, raft: &Raft, now: u64) {
        if self.snapshots.is_empty() {
            return;
        }
        let progress = raft.member_progress();
        self.snapshots.retain(|held| {
            let receiver = progress.iter().find(|member| member.id == held.to);
            let needs_more = receiver.is_some_and(|member| member.matched < held.index);
            needs_more && held.until.is_none_or(|until| now < until)
        });
    }

    /// Up to where the log may be dropped; everything up to `covered` is applied and stored.
    pub(crate) fn cut(&self, raft: &Raft, covered: Index) -> Index {
        let by_count = Index(covered.0.saturating_sub(self.entries));
        let is_heavy = raft.held_bytes() > self.held_bytes_max;
        let snapshots = self.snapshots.iter().map(|held| held.index);
        let needed = snapshots.chain(raft.slowest_active()).min();
        let needed = needed.filter(|_| !is_heavy);
        if let Some(needed) = needed.filter(|needed| *needed <= by_count) {
            return needed;
        }
        let kept = by_count.max(raft.lightened_to(self.bytes_max, covered));
        needed.map_or(kept, |needed| kept.min(needed))
    }
}
