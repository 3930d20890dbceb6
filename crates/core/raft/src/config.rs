//! What a member is started with: its settings, and what it remembers from before.

use types::{ConfState, Entry, HardState, Index, MemberId, SnapshotMark};

use crate::members::ConfError;

/// The settings of one member; the timing must be equal on all members.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member; never none.
    pub id: MemberId,
    /// Ticks without a leader before an election, and of a leader's lease. The real timeout is
    /// drawn anew each time from this value to twice this value.
    pub election_ticks: u32,
    /// Ticks between heartbeats; less than `election_ticks`.
    pub heartbeat_ticks: u32,
    /// Ask whether an election could be won before starting it, so that a member that comes back
    /// does not depose a leader.
    pub pre_vote: bool,
    /// A leader that does not hear from a quorum steps down; a voter that hears from a leader does
    /// not vote.
    pub check_quorum: bool,
    /// Bound on the entries of one append; one entry may exceed it alone.
    pub max_message_bytes: u64,
    /// Bound on unacknowledged appends to a follower.
    pub max_inflight_messages: usize,
    /// Bound on the payload of unacknowledged appends to a follower; 0 for none.
    pub max_inflight_bytes: u64,
    /// Bound on the payload of proposals that are not yet handed out; 0 for none. One proposal may
    /// exceed it alone.
    pub max_uncommitted_bytes: u64,
    /// Bound on the entries that are handed out and not yet applied; one entry may exceed it alone.
    pub max_applying_bytes: u64,
    /// Seed of the election timeouts; different on each member.
    pub seed: u64,
}

impl Config {
    /// Etcd's settings.
    #[must_use]
    pub fn new(id: MemberId, seed: u64) -> Self {
        Self {
            id,
            election_ticks: 10,
            heartbeat_ticks: 1,
            pre_vote: true,
            check_quorum: true,
            max_message_bytes: 1 << 20,
            max_inflight_messages: 512,
            max_inflight_bytes: 0,
            max_uncommitted_bytes: 1 << 30,
            max_applying_bytes: 64 << 20,
            seed,
        }
    }

    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.id.is_none() {
            return Err(StartError::NoId);
        }
        if self.heartbeat_ticks == 0
            || self.election_ticks <= self.heartbeat_ticks
            || self.election_ticks > u32::MAX / 2
        {
            return Err(StartError::Timing {
                heartbeat_ticks: self.heartbeat_ticks,
                election_ticks: self.election_ticks,
            });
        }
        if self.max_inflight_messages == 0 {
            return Err(StartError::NoWindow);
        }
        Ok(())
    }
}

/// What the log and the state machine remember; the default is a member that has never run.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// The last hard state of the log.
    pub hard_state: HardState,
    /// Where the entries begin. Its own configuration is not looked at, since `conf` is newer.
    pub snapshot: SnapshotMark,
    /// The configuration as of `applied`: configuration changes up to there are never applied
    /// again by [`crate::Raft::apply_conf_change`]. Empty for a member that joins.
    pub conf: ConfState,
    /// The entries after the snapshot, contiguous.
    pub entries: Vec<Entry>,
    /// How far the state machine is; entries after it are handed out. At least the snapshot's
    /// index. It may exceed `hard_state.commit`, which is not always written in time: what was
    /// applied was committed.
    pub applied: Index,
}

/// Why a member cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The id is 0.
    #[error("a member needs an id")]
    NoId,
    /// An election could start between two heartbeats.
    #[error("{election_ticks} election ticks do not fit {heartbeat_ticks} heartbeat ticks")]
    Timing {
        /// As configured.
        heartbeat_ticks: u32,
        /// As configured.
        election_ticks: u32,
    },
    /// No append could ever be sent.
    #[error("the window of unacknowledged appends is empty")]
    NoWindow,
    /// The entries have a gap, or terms that fall.
    #[error("the log breaks at index {index}")]
    BrokenLog {
        /// The first entry that does not follow.
        index: Index,
    },
    /// The log lacks entries that were committed.
    #[error("the log ends at {last}, but index {committed} was committed")]
    LostEntries {
        /// The last entry that is there.
        last: Index,
        /// What was committed or applied.
        committed: Index,
    },
    /// The state machine lacks what the snapshot covers.
    #[error("index {applied} is applied, but the log begins after {snapshot}")]
    LostState {
        /// How far the state machine is.
        applied: Index,
        /// Where the log begins.
        snapshot: Index,
    },
    /// The configuration contradicts itself.
    #[error("the stored configuration is wrong")]
    Conf(#[from] ConfError),
}

impl Restored {
    /// Whether all parts fit together; returns what is known to be committed.
    pub(crate) fn check(&self) -> Result<Index, StartError> {
        let (mut last, mut term) = (self.snapshot.index, self.snapshot.term);
        for entry in &self.entries {
            if entry.index != last.next() || entry.term < term {
                return Err(StartError::BrokenLog { index: last.next() });
            }
            (last, term) = (entry.index, entry.term);
        }
        let committed = self
            .hard_state
            .commit
            .max(self.applied)
            .max(self.snapshot.index);
        if committed > last {
            return Err(StartError::LostEntries { last, committed });
        }
        if self.applied < self.snapshot.index {
            return Err(StartError::LostState {
                applied: self.applied,
                snapshot: self.snapshot.index,
            });
        }
        Ok(committed)
    }
}

#[cfg(test)]
mod tests {
    use types::Term;

    use super::*;

    /// A member that starts from a damaged log would vote and acknowledge what it does not have.
    #[test]
    fn inconsistent_state_is_refused() {
        let entry = |index, term| Entry {
            index: Index(index),
            term: Term(term),
            ..Entry::default()
        };
        let good = Restored {
            hard_state: HardState {
                commit: Index(4),
                ..HardState::default()
            },
            snapshot: SnapshotMark {
                index: Index(3),
                term: Term(1),
                conf: None,
            },
            entries: vec![entry(4, 1), entry(5, 2)],
            applied: Index(5),
            ..Restored::default()
        };
        assert_eq!(good.check(), Ok(Index(5)));
        let check = |damage: fn(&mut Restored), want| {
            let mut bad = good.clone();
            damage(&mut bad);
            assert_eq!(bad.check(), Err(want));
        };
        let broken = |index| StartError::BrokenLog {
            index: Index(index),
        };
        check(|r| r.entries[0].index = Index(5), broken(4));
        check(|r| r.entries[1].term = Term(0), broken(5));
        let lost = |committed| StartError::LostEntries {
            last: Index(5),
            committed: Index(committed),
        };
        check(|r| r.hard_state.commit = Index(6), lost(6));
        check(|r| r.applied = Index(7), lost(7));
        let state = StartError::LostState {
            applied: Index(2),
            snapshot: Index(3),
        };
        check(|r| r.applied = Index(2), state);
    }

    /// Settings under which no leader can hold must be named at the start.
    #[test]
    fn settings_are_checked() {
        assert_eq!(Config::new(MemberId(1), 0).check(), Ok(()));
        assert_eq!(Config::new(MemberId(0), 0).check(), Err(StartError::NoId));
        let slow = Config {
            heartbeat_ticks: 10,
            ..Config::new(MemberId(1), 0)
        };
        assert!(matches!(slow.check(), Err(StartError::Timing { .. })));
        let stuck = Config {
            max_inflight_messages: 0,
            ..Config::new(MemberId(1), 0)
        };
        assert_eq!(stuck.check(), Err(StartError::NoWindow));
    }
}
