//! New entries: appended by a leader, forwarded by a follower, dropped when nobody leads.

use bytes::Bytes;
use types::{Entry, EntryKind, Term};

use crate::{
    message::{Message, MessageKind},
    raft::{Leader, Raft, State},
};

/// Why a proposal was dropped; nothing of it has been appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nobody is known to lead.
    #[error("no leader")]
    NoLeader,
    /// This leader is handing over.
    #[error("leadership is being transferred")]
    Transferring,
    /// This leader is no longer a member.
    #[error("the leader is not in the configuration")]
    NotMember,
    /// Too much is appended and not yet committed.
    #[error("{uncommitted_bytes} bytes of proposals are not yet committed")]
    TooMuchUncommitted {
        /// The payload that waits.
        uncommitted_bytes: u64,
    },
}

impl Raft {
    /// Proposes entries with these payloads, all or none. Accepted is not committed: an entry that
    /// is lost with its leader never comes back, which only a time-out can tell.
    ///
    /// # Errors
    /// [`ProposeError`] when the proposal was dropped.
    pub fn propose(&mut self, payloads: Vec<Bytes>) -> Result<(), ProposeError> {
        if payloads.is_empty() {
            return Ok(());
        }
        if self.is_leader() {
            let bytes = payloads.iter().map(|payload| payload.len() as u64).sum();
            let leader = self.admit(bytes)?;
            leader.is_due = true;
            for payload in payloads {
                self.log.push(EntryKind::Normal, self.term, payload);
            }
            return Ok(());
        }
        let entry = |data| Entry {
            data,
            ..Entry::default()
        };
        self.forward(
            MessageKind::Propose,
            payloads.into_iter().map(entry).collect(),
        )
    }

    /// Whether proposals have somewhere to go: this leader takes them, or another one is known. Not
    /// so while this leader hands over.
    #[must_use]
    pub fn takes_proposals(&self) -> bool {
        match &self.state {
            State::Leader(leader) => {
                leader.progress.contains_key(&self.config.id) && leader.transferee.is_none()
            }
            _ => !self.leader.is_none(),
        }
    }

    /// Whether a configuration change would be carried out, instead of coming to nothing because
    /// another one is under way. Only a leader can tell.
    #[must_use]
    pub fn takes_conf_changes(&self) -> bool {
        match &self.state {
            State::Leader(leader) => {
                leader.pending_conf <= self.log.applied() && !self.members.is_joint()
            }
            _ => true,
        }
    }

    /// Proposes a configuration change; `data` stays opaque, except that an empty
    /// [`EntryKind::ConfChangeV2`] leaves a joint configuration.
    ///
    /// While another change waits to be applied, or when the change does not fit a joint or simple
    /// configuration, the leader appends an empty entry in its place, as etcd does.
    ///
    /// # Errors
    /// [`ProposeError`] when the proposal was dropped.
    pub fn propose_conf_change(
        &mut self,
        kind: EntryKind,
        data: Bytes,
    ) -> Result<(), ProposeError> {
        let entries = vec![Entry {
            kind,
            data,
            ..Entry::default()
        }];
        if self.is_leader() {
            self.append(entries)
        } else {
            self.forward(MessageKind::Propose, entries)
        }
    }

    /// A follower has forwarded a proposal.
    pub(crate) fn on_propose(&mut self, message: Message) -> Result<(), ProposeError> {
        if self.is_leader() {
            return self.append(message.entries);
        }
        if self.leader.is_none() {
            return Err(ProposeError::NoLeader);
        }
        // Terms grow along a chain of forwards, so that it ends.
        self.send(Message {
            to: self.leader,
            term: Term(0),
            ..message
        });
        Ok(())
    }

    /// Sends a request to the leader.
    pub(crate) fn forward(
        &mut self,
        kind: MessageKind,
        entries: Vec<Entry>,
    ) -> Result<(), ProposeError> {
        if self.leader.is_none() {
            return Err(ProposeError::NoLeader);
        }
        self.send(Message {
            kind,
            to: self.leader,
            entries,
            ..Message::default()
        });
        Ok(())
    }

    /// Appends entries of any kind to this leader's log.
    fn append(&mut self, entries: Vec<Entry>) -> Result<(), ProposeError> {
        let bytes = entries.iter().map(|entry| entry.data.len() as u64).sum();
        self.admit(bytes)?.is_due = true;
        for entry in entries {
            let (mut kind, mut data) = (entry.kind, entry.data);
            if kind != EntryKind::Normal && !self.admit_conf_change(kind, &data) {
                (kind, data) = (EntryKind::Normal, Bytes::new());
            }
            self.log.push(kind, self.term, data);
        }
        Ok(())
    }

    /// Whether this leader takes proposals of so many bytes; they are counted then.
    fn admit(&mut self, bytes: u64) -> Result<&mut Leader, ProposeError> {
        let State::Leader(leader) = &mut self.state else {
            return Err(ProposeError::NoLeader);
        };
        if !leader.progress.contains_key(&self.config.id) {
            return Err(ProposeError::NotMember);
        }
        if !leader.transferee.is_none() {
            return Err(ProposeError::Transferring);
        }
        let (waiting, max) = (leader.uncommitted_bytes, self.config.max_uncommitted_bytes);
        // Empty payloads always pass: leaving a joint configuration must not fail.
        if max > 0 && waiting > 0 && bytes > 0 && waiting.saturating_add(bytes) > max {
            return Err(ProposeError::TooMuchUncommitted {
                uncommitted_bytes: waiting,
            });
        }
        leader.uncommitted_bytes += bytes;
        Ok(leader)
    }

    /// Whether a change may be appended now; it is then the pending one.
    fn admit_conf_change(&mut self, kind: EntryKind, data: &Bytes) -> bool {
        let (applied, next) = (self.log.applied(), self.log.last().next());
        let leaves = kind == EntryKind::ConfChangeV2 && data.is_empty();
        let fits = self.members.is_joint() == leaves;
        let State::Leader(leader) = &mut self.state else {
            return false;
        };
        if leader.pending_conf > applied || !fits {
            return false;
        }
        leader.pending_conf = next;
        true
    }
}
