//! Linearizable reads without a log entry.
//!
//! The leader notes its commit index, makes sure by a round of heartbeats that a quorum still
//! follows it, and answers with that index: a state machine that has applied it has everything that
//! was acknowledged to anyone before the read began.
//!
//! All reads of a turn share one *round*. A round is numbered, its number travels as the context of
//! heartbeats (eight bytes, little endian, as in etcd 3.7), and a follower's echo confirms that
//! round and all before it. A leader that has not yet committed in its own term does not know the
//! commit index for sure: its reads wait until it has.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use types::{Entry, Index, MemberId};

use crate::{
    effects::ReadState,
    message::{Message, MessageKind},
    raft::{Raft, State},
};

/// Reads that may wait in a leader; further ones are refused, and followers ask again.
const READS_MAX: usize = 1 << 16;

/// Why a read was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadIndexError {
    /// Nobody is known to lead.
    #[error("no leader")]
    NoLeader,
    /// Too many reads wait for a quorum.
    #[error("too many reads wait for a quorum")]
    TooMany,
}

#[derive(Debug)]
struct Request {
    /// Who asks; this member itself, or a follower.
    from: MemberId,
    context: Bytes,
}

#[derive(Debug)]
struct Round {
    number: u64,
    index: Index,
    requests: Vec<Request>,
}

/// The reads that a leader has not answered.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Not yet in a round.
    waiting: Vec<Request>,
    rounds: VecDeque<Round>,
    /// How many requests are in rounds.
    in_rounds: usize,
    /// The number of the newest round.
    newest: u64,
    /// The newest round that each member has echoed.
    echoed: BTreeMap<MemberId, u64>,
}

impl Reads {
    /// What heartbeats carry: the newest round if it is open, else nothing.
    pub(crate) fn context(&self) -> Bytes {
        match self.rounds.back() {
            Some(round) => Bytes::copy_from_slice(&round.number.to_le_bytes()),
            None => Bytes::new(),
        }
    }

    fn add(&mut self, request: Request) -> Result<(), ReadIndexError> {
        if self.waiting.len() + self.in_rounds >= READS_MAX {
            return Err(ReadIndexError::TooMany);
        }
        self.waiting.push(request);
        Ok(())
    }

    fn start_round(&mut self, index: Index) {
        let requests = std::mem::take(&mut self.waiting);
        self.newest += 1;
        self.in_rounds += requests.len();
        self.rounds.push_back(Round {
            number: self.newest,
            index,
            requests,
        });
    }

    fn echo(&mut self, from: MemberId, number: u64) {
        let echoed = self.echoed.entry(from).or_default();
        *echoed = (*echoed).max(number);
    }

    /// Removes the rounds up to `number`.
    fn confirm(&mut self, number: u64) -> Vec<Round> {
        let count = self.rounds.partition_point(|round| round.number <= number);
        let confirmed: Vec<Round> = self.rounds.drain(..count).collect();
        self.in_rounds -= confirmed
            .iter()
            .map(|round| round.requests.len())
            .sum::<usize>();
        confirmed
    }
}

impl Raft {
    /// Asks for the index that a linearizable read must have applied. The answer comes as a
    /// [`ReadState`] with the same context; it may never come if the leader changes, or if the
    /// request to it is lost: ask again after a while, with another context.
    ///
    /// # Errors
    /// [`ReadIndexError`] when nobody leads or too many reads wait.
    pub fn read_index(&mut self, context: Bytes) -> Result<(), ReadIndexError> {
        if let State::Leader(leader) = &mut self.state {
            return leader.reads.add(Request {
                from: self.config.id,
                context,
            });
        }
        let entry = Entry {
            data: context,
            ..Entry::default()
        };
        self.forward(MessageKind::ReadIndex, vec![entry])
            .map_err(|_| ReadIndexError::NoLeader)
    }

    /// A follower asks.
    pub(crate) fn on_read_index(&mut self, mut message: Message) {
        if let State::Leader(leader) = &mut self.state {
            let context = message.entries.pop().unwrap_or_default().data;
            // Refused is lost: the follower asks again.
            let _ = leader.reads.add(Request {
                from: message.from,
                context,
            });
        } else if !self.leader.is_none() {
            self.send(Message {
                to: self.leader,
                term: types::Term(0),
                ..message
            });
        }
    }

    /// The leader has answered this follower.
    pub(crate) fn on_read_index_response(&mut self, mut message: Message) {
        let context = message.entries.pop().unwrap_or_default().data;
        self.read_states.push(ReadState {
            index: message.index,
            context,
        });
    }

    /// Puts the reads of this turn into a round and sends it out.
    pub(crate) fn start_read_round(&mut self) {
        let commit = self.log.commit();
        let is_current = self.log.term(commit) == Some(self.term);
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if leader.reads.waiting.is_empty() || !is_current {
            return;
        }
        leader.reads.start_round(commit);
        self.confirm_reads();
        if let State::Leader(leader) = &self.state
            && !leader.reads.rounds.is_empty()
        {
            self.broadcast_heartbeat();
        }
    }

    /// A follower echoes the context of a heartbeat.
    pub(crate) fn on_read_acknowledged(&mut self, from: MemberId, context: &[u8]) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let Ok(number) = context.try_into().map(u64::from_le_bytes) else {
            return;
        };
        if number <= leader.reads.newest {
            leader.reads.echo(from, number);
            self.confirm_reads();
        }
    }

    /// Answers every read whose round a quorum has echoed; this member itself always has.
    pub(crate) fn confirm_reads(&mut self) {
        let (own, State::Leader(leader)) = (self.config.id, &mut self.state) else {
            return;
        };
        let (newest, echoed) = (leader.reads.newest, &leader.reads.echoed);
        let echoed = |id| {
            if id == own {
                newest
            } else {
                echoed.get(&id).copied().unwrap_or(0)
            }
        };
        let Some(number) = self.members.voters.reached(echoed) else {
            return;
        };
        for round in leader.reads.confirm(number) {
            for request in round.requests {
                self.answer_read(request, round.index);
            }
        }
    }

    fn answer_read(&mut self, request: Request, index: Index) {
        if request.from == self.config.id {
            self.read_states.push(ReadState {
                index,
                context: request.context,
            });
            return;
        }
        let entry = Entry {
            data: request.context,
            ..Entry::default()
        };
        self.send(Message {
            kind: MessageKind::ReadIndexResponse,
            to: request.from,
            index,
            entries: vec![entry],
            ..Message::default()
        });
    }
}
