//! A configuration change takes effect when its entry is applied, on every member alike.

use types::{ConfState, MemberId};

use crate::{
    members::{ConfChange, ConfError},
    raft::{Raft, State},
};

impl Raft {
    /// Carries out the change of an entry that is being applied, before [`Raft::applied`] is told
    /// of it. Returns the configuration that now holds.
    ///
    /// # Errors
    /// [`ConfError`] when the change does not fit; the configuration stays. The state machine
    /// should have refused such a change, on every member alike.
    pub fn apply_conf_change(&mut self, change: &ConfChange) -> Result<ConfState, ConfError> {
        self.members = self.members.changed(change)?;
        self.follow_members();
        Ok(self.members.to_state())
    }

    /// Brings a leader's books in line with the configuration.
    fn follow_members(&mut self) {
        if !self.is_leader() {
            return;
        }
        if !self.members.voters.contains(self.config.id) {
            // Whoever stays learns first that the change is committed.
            self.send_due();
            self.become_follower(self.term, MemberId::NONE);
            return;
        }
        // One below the end: a member that has everything but the last entry is found at once.
        let next = self.log.last().max(types::Index(1));
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
    }
}
