//! A configuration change takes effect when its entry is applied, on every member alike.

use types::{ConfState, Index, MemberId};

use crate::{
    members::{ConfChange, ConfError},
    raft::{Raft, State},
};

impl Raft {
    /// Carries out the change of an entry that is being applied, before [`Raft::applied`] is told
    /// of it. Returns the configuration that now holds.
    ///
    /// While a received snapshot waits to be installed, entries from before it change nothing: the
    /// snapshot's configuration, which is newer, holds already.
    ///
    /// # Errors
    /// [`ConfError`] when the change does not fit; the configuration stays. The state machine
    /// should have refused such a change, on every member alike.
    pub fn apply_conf_change(&mut self, change: &ConfChange) -> Result<ConfState, ConfError> {
        if !self.log.is_restoring() {
            self.members = self.members.changed(change)?;
            self.follow_members();
        }
        Ok(self.members.to_state())
    }

    /// Brings a leader's books in line with the configuration.
    fn follow_members(&mut self) {
        // One below the end: a member that has everything but the last entry is found at once.
        let next = self.log.last().max(Index(1));
        let mut fresh = self.new_progress(next);
        // It shall count as alive until the next check, and may need a snapshot at once.
        fresh.is_active = true;
        let (ids, State::Leader(leader)) = (self.members.ids(), &mut self.state) else {
            return;
        };
        leader.progress.retain(|id, _| ids.contains(id));
        for id in ids {
            leader.progress.entry(id).or_insert_with(|| fresh.clone());
        }
        leader.is_due = true;
        if !self.members.voters.contains(leader.transferee) {
            leader.transferee = MemberId::NONE;
        }
        self.advance_commit();
        self.confirm_reads();
        if !self.members.voters.contains(self.config.id) {
            self.hand_over();
        }
    }

    /// This leader has lost its vote. It takes no proposals any more, brings the most advanced voter
    /// up to date and lets it campaign; after each election timeout it tries again.
    ///
    /// Stepping down before there is a successor could leave a cluster of two stuck: the other one
    /// may not know yet that the change is committed, and then needs the vote of this member, whose
    /// log may be longer. Without a vote it harms nobody: it can neither commit nor confirm a read
    /// without a quorum of the others.
    pub(crate) fn hand_over(&mut self) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.transferee = MemberId::NONE;
        let matched = |id: &MemberId| leader.progress.get(id).map(|progress| progress.matched);
        let best = self
            .members
            .voters
            .ids()
            .into_iter()
            .rev()
            .max_by_key(matched);
        if let Some(successor) = best {
            self.begin_transfer(successor);
        }
    }
}
