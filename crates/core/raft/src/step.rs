//! A message arrives: what it must look like, what its term means, and who handles it.
//!
//! Nothing a peer sends may make this member panic. What could not come from a correct member is
//! refused here, at the door; the handlers then rely on it.

use types::{Index, MemberId, Term};

use crate::{
    message::{CAMPAIGN_TRANSFER, Message, MessageKind},
    proposal::ProposeError,
    raft::{Raft, State},
};

/// Terms and indexes above this come from no correct member; adding to one below cannot overflow.
const NUMBER_MAX: u64 = 1 << 62;

/// Why a message was not taken. None of these is fatal; the message has had no effect beyond,
/// perhaps, a newer term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It was meant for another member.
    #[error("message for member {to}")]
    Misaddressed {
        /// Whom it names.
        to: MemberId,
    },
    /// A response from someone who is not in the configuration.
    #[error("response from unknown member {from}")]
    UnknownSender {
        /// Who sent it.
        from: MemberId,
    },
    /// Its fields contradict its kind or each other.
    #[error("malformed message of kind {kind:?}")]
    Malformed {
        /// The kind.
        kind: MessageKind,
    },
    /// It speaks of entries that should be in this log and are not: one of the two members has
    /// lost what it acknowledged.
    #[error("message speaks of index {index}, but the log ends at {last}")]
    BeyondLog {
        /// The index.
        index: Index,
        /// The last entry here.
        last: Index,
    },
    /// A forwarded proposal was dropped; its proposer will time out.
    #[error("proposal dropped")]
    Dropped(#[from] ProposeError),
}

impl Raft {
    /// Takes a message from another member.
    ///
    /// # Errors
    /// [`StepError`] when the message was refused; to be counted or logged.
    pub fn step(&mut self, message: Message) -> Result<(), StepError> {
        self.check(&message)?;
        if message.kind.is_termless() || self.is_current(&message) {
            self.dispatch(message)
        } else {
            Ok(())
        }
    }

    fn check(&self, message: &Message) -> Result<(), StepError> {
        let Message { kind, to, from, .. } = *message;
        if to != self.config.id {
            return Err(StepError::Misaddressed { to });
        }
        // The sender of a transfer is the successor, which may be this very leader.
        let is_own = from == self.config.id && kind != MessageKind::TransferLeader;
        if from.is_none() || is_own || !is_well_formed(message) {
            return Err(StepError::Malformed { kind });
        }
        if kind.is_response() && !self.members.contains(from) {
            return Err(StepError::UnknownSender { from });
        }
        Ok(())
    }

    /// Compares terms: follows a newer one, answers an older one; whether the message still counts.
    fn is_current(&mut self, message: &Message) -> bool {
        let is_request = matches!(message.kind, MessageKind::Vote | MessageKind::PreVote);
        if message.term > self.term {
            let is_forced = message.context == CAMPAIGN_TRANSFER;
            if is_request && !is_forced && self.is_in_lease() {
                return false;
            }
            // A pre-vote, and its grant, speak of a term that nobody has taken yet.
            let is_hypothetical = message.kind == MessageKind::PreVote
                || (message.kind == MessageKind::PreVoteResponse && !message.reject);
            if !is_hypothetical {
                let is_leader = message.kind.is_from_leader();
                let leader = if is_leader {
                    message.from
                } else {
                    MemberId::NONE
                };
                self.become_follower(message.term, leader);
            }
        } else if message.term < self.term {
            self.answer_old_term(message);
            return false;
        }
        true
    }

    /// Tells a leader or candidate of an older term about this one. Without this a member whose
    /// term ran ahead would never be taken back: it gets no votes, or, as a learner, asks for none.
    fn answer_old_term(&mut self, message: &Message) {
        let kind = match message.kind {
            MessageKind::Heartbeat | MessageKind::Append => MessageKind::AppendResponse,
            MessageKind::PreVote => MessageKind::PreVoteResponse,
            _ => return,
        };
        let reject = kind == MessageKind::PreVoteResponse;
        self.send_durable(Message {
            kind,
            to: message.from,
            reject,
            ..Message::default()
        });
    }

    fn dispatch(&mut self, mut message: Message) -> Result<(), StepError> {
        if message.kind.is_from_leader() {
            if self.is_leader() {
                // Two leaders of one term: one of them lies.
                return Err(StepError::Malformed { kind: message.kind });
            }
            self.heed(message.from);
        }
        match message.kind {
            MessageKind::Vote | MessageKind::PreVote => self.on_vote_request(&message),
            MessageKind::PreVoteResponse => self.on_pre_vote_response(&message),
            MessageKind::VoteResponse => {
                self.record_vote(message.kind, message.from, !message.reject);
            }
            MessageKind::Append => self.on_append(message),
            MessageKind::Heartbeat => return self.on_heartbeat(message),
            MessageKind::Snapshot => {
                if let Some(snapshot) = message.snapshot.take() {
                    self.on_snapshot(message.from, *snapshot);
                }
            }
            MessageKind::AppendResponse => return self.on_append_response(&message),
            MessageKind::HeartbeatResponse => self.on_heartbeat_response(&message),
            MessageKind::Propose => return Ok(self.on_propose(message)?),
            MessageKind::TransferLeader => self.on_transfer(message),
            MessageKind::TimeoutNow => self.on_timeout_now(),
            MessageKind::ReadIndex => self.on_read_index(message),
            MessageKind::ReadIndexResponse => self.on_read_index_response(message),
        }
        Ok(())
    }

    /// A grant counts only for the term that this campaign would take.
    fn on_pre_vote_response(&mut self, message: &Message) {
        if message.reject || message.term.0 == self.term.0 + 1 {
            self.record_vote(message.kind, message.from, !message.reject);
        }
    }

    /// The leader wants this member to take over.
    fn on_timeout_now(&mut self) {
        if matches!(self.state, State::Follower) && self.may_campaign() {
            self.start_election(true);
        }
    }
}

/// Whether the fields fit the kind.
fn is_well_formed(message: &Message) -> bool {
    let numbers = [message.term.0, message.log_term.0, message.index.0];
    if numbers.into_iter().any(|number| number > NUMBER_MAX)
        || (message.term == Term(0) && !message.kind.is_termless())
    {
        return false;
    }
    match message.kind {
        MessageKind::Append => are_entries_contiguous(message),
        MessageKind::Propose => !message.entries.is_empty(),
        MessageKind::ReadIndex | MessageKind::ReadIndexResponse => message.entries.len() == 1,
        MessageKind::Snapshot => message.snapshot.as_ref().is_some_and(|snapshot| {
            let mark = &snapshot.mark;
            let has_voters = mark
                .conf
                .as_ref()
                .is_some_and(|conf| !conf.voters.is_empty());
            (1..=NUMBER_MAX).contains(&mark.index.0)
                && (Term(1)..=message.term).contains(&mark.term)
                && has_voters
        }),
        _ => true,
    }
}

/// Whether the entries follow each other and the position before them, with terms that never fall.
fn are_entries_contiguous(message: &Message) -> bool {
    let (mut index, mut term) = (message.index, message.log_term);
    for entry in &message.entries {
        if entry.index != index.next() || entry.term < term || entry.term.0 == 0 {
            return false;
        }
        (index, term) = (entry.index, entry.term);
    }
    term <= message.term
}
