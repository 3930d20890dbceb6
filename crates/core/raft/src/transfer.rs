//! Leader transfer: the leader brings a voter up to date, then tells it to campaign at once.
//!
//! Meanwhile the leader takes no proposals, so that the successor can catch up. A transfer that has
//! not succeeded within an election timeout is given up.

use types::MemberId;

use crate::{
    message::{Message, MessageKind},
    raft::{Raft, State},
};

/// Why a transfer was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// Nobody is known to lead.
    #[error("no leader")]
    NoLeader,
    /// The successor has no vote.
    #[error("member {member} cannot lead")]
    NotVoter {
        /// The successor.
        member: MemberId,
    },
}

impl Raft {
    /// Asks that `to` take over; a follower passes that on to the leader. Whether it succeeds shows
    /// in the soft state.
    ///
    /// # Errors
    /// [`TransferError`] when there is no leader or `to` cannot lead.
    pub fn transfer_leader(&mut self, to: MemberId) -> Result<(), TransferError> {
        if !self.members.voters.contains(to) {
            return Err(TransferError::NotVoter { member: to });
        }
        if self.leader.is_none() {
            return Err(TransferError::NoLeader);
        }
        self.on_transfer(Message {
            kind: MessageKind::TransferLeader,
            from: to,
            ..Message::default()
        });
        Ok(())
    }

    /// Handles a request whose sender is the successor.
    pub(crate) fn on_transfer(&mut self, message: Message) {
        let to = message.from;
        let State::Leader(leader) = &mut self.state else {
            if !self.leader.is_none() {
                self.send(Message {
                    to: self.leader,
                    ..message
                });
            }
            return;
        };
        let is_running = leader.transferee == to;
        if is_running || !self.members.voters.contains(to) {
            return;
        }
        // Another request replaces the one that runs; one for this leader ends it.
        leader.transferee = MemberId::NONE;
        if to != self.config.id {
            self.begin_transfer(to);
        }
    }

    /// Hands over to `to` as soon as it has everything.
    pub(crate) fn begin_transfer(&mut self, to: MemberId) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.transferee = to;
        leader.is_due = true;
        self.elapsed = 0;
        let last = self.log.last();
        if self
            .progress_mut(to)
            .is_some_and(|progress| progress.matched == last)
        {
            self.send_timeout_now(to);
        }
    }

    pub(crate) fn send_timeout_now(&mut self, to: MemberId) {
        self.send(Message {
            kind: MessageKind::TimeoutNow,
            to,
            ..Message::default()
        });
    }
}
