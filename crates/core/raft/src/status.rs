//! A look at the machine from outside.

use types::{ConfState, Index, MemberId, Term};

use crate::{
    effects::Role,
    progress::ProgressState,
    raft::{Raft, State},
};

/// What a leader knows of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberProgress {
    /// The member.
    pub id: MemberId,
    /// The log is known to be equal, and durable there, up to here.
    pub matched: Index,
    /// The next entry to send.
    pub next: Index,
    /// How it is being sent to.
    pub state: ProgressState,
    /// Whether it was heard since the last check of the quorum; this member always.
    pub is_active: bool,
    /// Whether it has no vote.
    pub is_learner: bool,
    /// Appends that are not yet acknowledged.
    pub inflight_messages: usize,
}

/// The state of a member at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This member.
    pub id: MemberId,
    /// Its term.
    pub term: Term,
    /// Whom it voted for in this term.
    pub vote: MemberId,
    /// The leader, or none.
    pub leader: MemberId,
    /// Its role.
    pub role: Role,
    /// The first entry in memory; what is before it is in a snapshot only.
    pub first: Index,
    /// The last entry.
    pub last: Index,
    /// Durable here up to this index.
    pub stable: Index,
    /// Committed up to this index, as far as known here.
    pub commit: Index,
    /// Applied here up to this index.
    pub applied: Index,
    /// The configuration.
    pub conf: ConfState,
    /// Who is to take over, or none; leader only.
    pub transferee: MemberId,
    /// Every member in ascending order; leader only.
    pub progress: Vec<MemberProgress>,
}

impl Raft {
    /// The state at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let (transferee, progress) = match &self.state {
            State::Leader(leader) => (leader.transferee, self.member_progress()),
            _ => (MemberId::NONE, Vec::new()),
        };
        Status {
            id: self.config.id,
            term: self.term,
            vote: self.vote,
            leader: self.leader,
            role: self.role(),
            first: self.log.first(),
            last: self.log.last(),
            stable: self.log.stable(),
            commit: self.log.commit(),
            applied: self.log.applied(),
            conf: self.members.to_state(),
            transferee,
            progress,
        }
    }

    /// How far the members are, as far as this leader knows; empty on others.
    #[must_use]
    pub fn member_progress(&self) -> Vec<MemberProgress> {
        let State::Leader(leader) = &self.state else {
            return Vec::new();
        };
        let view = |(id, progress): (&MemberId, &crate::progress::Progress)| MemberProgress {
            id: *id,
            matched: progress.matched,
            next: progress.next,
            state: progress.state,
            is_active: progress.is_active || *id == self.config.id,
            is_learner: self.members.learners.contains(id),
            inflight_messages: progress.inflights.len(),
        };
        leader.progress.iter().map(view).collect()
    }

    /// The least index that a follower heard lately is known to have; leader only. Entries after it
    /// are still on their way to somebody. Those who need a snapshot in any case do not count.
    #[must_use]
    pub fn slowest_active(&self) -> Option<Index> {
        let State::Leader(leader) = &self.state else {
            return None;
        };
        leader
            .progress
            .iter()
            .filter(|(id, progress)| **id != self.config.id && progress.is_active)
            .map(|(_, progress)| progress.matched)
            .filter(|matched| matched.next() >= self.log.first())
            .min()
    }
}
