//! The follower's side of the log: taking appends, heartbeats and snapshots from a leader.

use types::{Index, MemberId};

use crate::{
    members::Members,
    message::{Message, MessageKind, Snapshot},
    raft::{Raft, State},
    step::StepError,
};

impl Raft {
    /// Something from the leader of this term: follow it.
    pub(crate) fn heed(&mut self, leader: MemberId) {
        if matches!(self.state, State::Follower) {
            self.elapsed = 0;
            self.leader = leader;
        } else {
            self.become_follower(self.term, leader);
        }
    }

    /// Takes entries, or says where the logs may agree.
    pub(crate) fn on_append(&mut self, message: Message) {
        let (from, index, commit) = (message.from, message.index, message.commit);
        if index < self.log.commit() {
            // Everything up to the commit index agrees with every leader.
            return self.acknowledge(from, self.log.commit());
        }
        if self.log.term(index) != Some(message.log_term) {
            let nearest = index.min(self.log.last());
            let (reject_hint, log_term) = self.log.agreement(nearest, message.log_term);
            return self.send_durable(Message {
                kind: MessageKind::AppendResponse,
                to: from,
                index,
                reject: true,
                reject_hint,
                log_term,
                ..Message::default()
            });
        }
        let last = Index(index.0 + message.entries.len() as u64);
        self.log.merge(message.entries);
        self.log.commit_to(commit.min(last));
        self.acknowledge(from, last);
    }

    /// Answers a heartbeat, with its context as it came: the leader reads its own rounds in it.
    pub(crate) fn on_heartbeat(&mut self, message: Message) -> Result<(), StepError> {
        let last = self.log.last();
        if message.commit > last {
            return Err(StepError::BeyondLog {
                index: message.commit,
                last,
            });
        }
        self.log.commit_to(message.commit);
        // Not held for the disk: it says only that this member follows the leader now.
        self.send(Message {
            kind: MessageKind::HeartbeatResponse,
            to: message.from,
            context: message.context,
            ..Message::default()
        });
        Ok(())
    }

    /// Takes a snapshot in place of the log, if it is ahead.
    pub(crate) fn on_snapshot(&mut self, from: MemberId, snapshot: Snapshot) {
        self.restore(snapshot);
        // The last index just restored, or what is committed here anyway.
        self.acknowledge(from, self.log.commit());
    }

    fn restore(&mut self, snapshot: Snapshot) {
        let mark = &snapshot.mark;
        if mark.index <= self.log.commit() {
            return;
        }
        let Some(Ok(members)) = mark.conf.as_ref().map(Members::restore) else {
            return;
        };
        // A member that the snapshot does not know would be cut off by its own configuration.
        if !members.contains(self.config.id) {
            return;
        }
        if self.log.term(mark.index) == Some(mark.term) {
            self.log.commit_to(mark.index);
            return;
        }
        self.members = members;
        self.log.restore(snapshot);
    }

    fn acknowledge(&mut self, to: MemberId, index: Index) {
        self.send_durable(Message {
            kind: MessageKind::AppendResponse,
            to,
            index,
            ..Message::default()
        });
    }
}
