//! The leader's side of the log: sending, counting acknowledgements, committing.
//!
//! Inputs only note that something may be due; [`Raft::effects`] then sends each follower what it
//! lacks, so that a turn with a hundred proposals makes one append. An append is due when there are
//! entries to send, when the follower has not been told the commit index, or when it is probed.

use types::{Index, MemberId};

use crate::{
    log::Log,
    message::{Message, MessageKind, Snapshot},
    progress::{Progress, ProgressState},
    raft::{Leader, Raft, State},
    step::StepError,
};

impl Raft {
    /// The shell could not deliver to `id`: what was sent may be lost.
    pub fn report_unreachable(&mut self, id: MemberId) {
        if let Some(progress) = self.progress_mut(id)
            && progress.state == ProgressState::Replicate
        {
            progress.become_probe();
        }
    }

    /// The snapshot asked for by a [`MessageKind::Snapshot`] has been delivered, or has failed.
    /// Either report is needed: until then nothing else is sent to `id`.
    pub fn report_snapshot(&mut self, id: MemberId, delivered: bool) {
        let Some(progress) = self.progress_mut(id) else {
            return;
        };
        if !matches!(progress.state, ProgressState::Snapshot(_)) {
            return;
        }
        if !delivered {
            progress.abandon_snapshot();
        }
        progress.become_probe();
        // The follower will acknowledge the snapshot, or else answer the next heartbeat.
        progress.pause();
    }

    /// Sends every follower what it lacks, as far as its window allows.
    pub(crate) fn send_due(&mut self) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if !std::mem::take(&mut leader.is_due) {
            return;
        }
        let others: Vec<MemberId> = leader
            .progress
            .keys()
            .copied()
            .filter(|id| *id != self.config.id)
            .collect();
        for id in others {
            // The window bounds the turns.
            while self.send_append(id, false) {}
        }
    }

    /// Sends one append to `to` if one is due, or in any case with `is_forced`; whether it did.
    fn send_append(&mut self, to: MemberId, is_forced: bool) -> bool {
        let commit = self.log.commit();
        let State::Leader(leader) = &mut self.state else {
            return false;
        };
        let Some(progress) = leader.progress.get_mut(&to).filter(|p| p.may_send()) else {
            return false;
        };
        let previous = Index(progress.next.0 - 1);
        let Some(log_term) = self.log.term(previous) else {
            return self.send_snapshot(to);
        };
        let entries = if progress.may_send_entries() {
            self.log.slice(progress.next, self.config.max_message_bytes)
        } else {
            Vec::new()
        };
        let is_due =
            is_forced || progress.commit_sent < commit || progress.state == ProgressState::Probe;
        if entries.is_empty() && !is_due {
            return false;
        }
        let bytes = entries.iter().map(|entry| entry.data.len() as u64).sum();
        progress.sent(entries.len() as u64, bytes, commit);
        self.send(Message {
            kind: MessageKind::Append,
            to,
            index: previous,
            log_term,
            entries,
            commit,
            ..Message::default()
        });
        true
    }

    /// Asks the shell to send a snapshot, unless the follower is not heard anyway.
    fn send_snapshot(&mut self, to: MemberId) -> bool {
        let index = self.log.applied();
        let Some(progress) = self.progress_mut(to).filter(|p| p.is_active) else {
            return false;
        };
        progress.become_snapshot(index);
        let mark = types::SnapshotMark {
            index,
            term: self.log.term(index).unwrap_or_default(),
            conf: Some(self.members.to_state()),
        };
        self.send(Message {
            kind: MessageKind::Snapshot,
            to,
            snapshot: Some(Box::new(Snapshot {
                mark,
                ..Snapshot::default()
            })),
            ..Message::default()
        });
        true
    }

    /// Sends a heartbeat to everyone, with the newest read round that is not confirmed.
    pub(crate) fn broadcast_heartbeat(&mut self) {
        let commit = self.log.commit();
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let context = leader.reads.context();
        let heartbeats: Vec<Message> = leader
            .progress
            .iter()
            .filter(|(id, _)| **id != self.config.id)
            .map(|(id, progress)| Message {
                kind: MessageKind::Heartbeat,
                to: *id,
                // A follower must not commit what it is not known to have.
                commit: progress.matched.min(commit),
                context: context.clone(),
                ..Message::default()
            })
            .collect();
        for message in heartbeats {
            self.send(message);
        }
    }

    /// A follower has acknowledged or refused an append.
    pub(crate) fn on_append_response(&mut self, message: &Message) -> Result<(), StepError> {
        let (log, first) = (&self.log, self.log.first());
        let State::Leader(leader) = &mut self.state else {
            return Ok(());
        };
        let Some(progress) = leader.progress.get_mut(&message.from) else {
            return Ok(());
        };
        if message.index > log.last() {
            return Err(StepError::BeyondLog {
                index: message.index,
                last: log.last(),
            });
        }
        progress.is_active = true;
        if message.reject {
            let is_new = progress.reject(message.index, agreement(log, message));
            leader.is_due |= is_new;
            return Ok(());
        }
        if progress.acknowledge(message.index, first) {
            leader.is_due = true;
            let has_all = progress.matched == log.last();
            let is_successor = leader.transferee == message.from;
            self.advance_commit();
            if is_successor && has_all {
                self.send_timeout_now(message.from);
            }
        }
        Ok(())
    }

    /// A follower lives: it may have lost appends, and it confirms a round of reads.
    pub(crate) fn on_heartbeat_response(&mut self, message: &Message) {
        let last = self.log.last();
        let Some(progress) = self.progress_mut(message.from) else {
            return;
        };
        progress.is_active = true;
        progress.resume();
        if progress.matched < last || progress.state == ProgressState::Probe {
            self.send_append(message.from, true);
        }
        self.on_read_acknowledged(message.from, &message.context);
    }

    /// This member's own log has become durable further on.
    pub(crate) fn acknowledge_own(&mut self) {
        let (own, stable, first) = (self.config.id, self.log.stable(), self.log.first());
        if let Some(progress) = self.progress_mut(own) {
            progress.acknowledge(stable, first);
            self.advance_commit();
        }
    }

    /// Commits what a quorum has, if that includes an entry of this term: an older entry may still
    /// be replaced by a leader that never saw it, whatever a count says.
    pub(crate) fn advance_commit(&mut self) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let matched = |id| matched(leader, id);
        let Some(reached) = self.members.voters.reached(matched) else {
            return;
        };
        if reached > self.log.commit() && self.log.term(reached) == Some(self.term) {
            self.log.commit_to(reached);
            leader.is_due = true;
        }
    }

    pub(crate) fn progress_mut(&mut self, id: MemberId) -> Option<&mut Progress> {
        match &mut self.state {
            State::Leader(leader) => leader.progress.get_mut(&id),
            _ => None,
        }
    }
}

fn matched(leader: &Leader, id: MemberId) -> Index {
    leader
        .progress
        .get(&id)
        .map_or(Index(0), |progress| progress.matched)
}

/// Where the logs may agree at best, from a rejection: the follower names the term at its hint, and
/// everything of newer terms in this log can be skipped at once.
fn agreement(log: &Log, message: &Message) -> Index {
    if message.log_term.0 == 0 {
        return message.reject_hint;
    }
    log.agreement(message.reject_hint.min(log.last()), message.log_term)
        .0
}
