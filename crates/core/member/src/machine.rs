//! The machine itself: inputs to consensus, and its effects with the policies added.

use bytes::Bytes;
use raft::{Raft, Role, Ticket};
use types::{ConfState, Entry, EntryKind, Index, MemberId, RequestId, SnapshotMark, Term};

use crate::marks::Marks;
use crate::reads::Reads;

/// Most requests that wait for a leader; more are left to time out.
const WAITING_MAX: usize = 10_000;

/// What a member is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Consensus.
    pub raft: raft::Config,
    /// Entries between two marks of the log (`--snapshot-count`).
    pub mark_every: u64,
    /// Entries kept in memory for followers that lag (`--snapshot-catchup-entries`).
    pub catch_up_entries: u64,
}

/// What a member finds when it starts.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Hard state, mark, entries and applied index.
    pub raft: raft::Restored,
    /// The index of the newest mark in the log.
    pub mark: Index,
}

/// Everything that can happen to a member.
#[derive(Debug)]
pub enum Input {
    /// A heartbeat interval has passed.
    Tick,
    /// Requests to replicate, in order.
    Propose(Vec<(RequestId, Bytes)>),
    /// A change of the membership to replicate.
    ConfChange(RequestId, Bytes),
    /// Reads that must see everything acknowledged before them.
    Read(Vec<RequestId>),
    /// A peer says something.
    Message(Box<raft::Message>),
    /// The log thread has made a write durable.
    Persisted(Ticket),
    /// Everything up to `index` is applied, with these configuration changes on the way.
    Applied {
        /// The last entry applied.
        index: Index,
        /// The changes for consensus to carry out, in order.
        conf_changes: Vec<raft::ConfChange>,
    },
    /// The store holds everything up to this entry, durably.
    Stored(Index, Term),
}

/// Everything that a member asks its shell to do.
#[derive(Debug, Default)]
pub struct Effects {
    /// To the log.
    pub write: Option<raft::Write>,
    /// To the peers.
    pub messages: Vec<raft::Message>,
    /// To the state machine.
    pub apply: Vec<Entry>,
    /// Reads that may be answered.
    pub reads: Vec<RequestId>,
    /// Requests that the log will never answer.
    pub refused: Vec<(RequestId, Refused)>,
    /// A mark for the log.
    pub mark: Option<SnapshotMark>,
    /// Who leads, if that changed.
    pub leadership: Option<Leadership>,
}

/// Why a request is not replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nobody leads: the caller waits for its deadline, as it would for an answer.
    NoLeader,
    /// The leader changed while a read was being confirmed.
    LeaderChanged,
}

/// Who leads, as this member sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, or none.
    pub leader: MemberId,
    /// The term.
    pub term: Term,
    /// Whether this member leads.
    pub is_self: bool,
}

/// One member of a cluster.
#[derive(Debug)]
pub struct Member {
    id: MemberId,
    raft: Raft,
    reads: Reads,
    marks: Marks,
    catch_up_entries: u64,
    applied: Index,
    committed: Index,
    is_sole_voter: bool,
    leadership: Leadership,
    /// The first index of this member's own term as leader.
    led_from: Option<Index>,
    /// Requests that wait for a leader.
    waiting: Vec<(RequestId, Bytes)>,
    refused: Vec<(RequestId, Refused)>,
}

impl Member {
    /// A member as it was left.
    ///
    /// # Errors
    /// When what was restored contradicts itself.
    pub fn new(config: Config, restored: Restored) -> Result<Self, raft::StartError> {
        let applied = restored.raft.applied;
        let committed = restored.raft.hard_state.commit.max(applied);
        let is_sole_voter = is_sole_voter(config.raft.id, &restored.raft.conf);
        Ok(Self {
            id: config.raft.id,
            raft: Raft::new(config.raft, restored.raft)?,
            reads: Reads::default(),
            marks: Marks::new(config.mark_every, restored.mark),
            catch_up_entries: config.catch_up_entries,
            applied,
            committed,
            is_sole_voter,
            leadership: Leadership::default(),
            led_from: None,
            waiting: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// Takes what happened.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Tick => self.raft.tick(),
            Input::Propose(requests) => self.propose(requests),
            Input::ConfChange(id, data) => {
                if self
                    .raft
                    .propose_conf_change(EntryKind::ConfChange, data)
                    .is_err()
                {
                    self.refused.push((id, Refused::NoLeader));
                }
            }
            Input::Read(ids) => self.read(ids),
            // A message that makes no sense is the sender's trouble.
            Input::Message(message) => drop(self.raft.step(*message)),
            Input::Persisted(ticket) => self.raft.persisted(ticket),
            Input::Applied {
                index,
                conf_changes,
            } => self.applied(index, &conf_changes),
            Input::Stored(index, term) => self.marks.stored(index, term),
        }
    }

    /// What is to be done now.
    ///
    /// A sole voter that has nobody to wait for stands for election at once.
    pub fn effects(&mut self) -> Effects {
        let is_idle = self.raft.role() == Role::Follower && self.leadership.leader.is_none();
        if is_idle && self.is_sole_voter {
            self.raft.campaign();
        }
        let mut due = self.raft.effects();
        if let Some(state) = due.write.as_ref().and_then(|write| write.hard_state) {
            self.committed = state.commit;
        }
        for state in &due.read_states {
            if let Some(id) = read_id(&state.context) {
                self.reads.confirmed(state.index, id);
            }
        }
        let soft_state = due.soft_state.take();
        let leadership = soft_state.and_then(|soft| self.leadership_changed(soft));
        let raft = &self.raft;
        let mark = self.marks.due(|| raft.conf());
        self.cut();
        Effects {
            write: due.write,
            messages: due.messages,
            apply: due.committed,
            reads: self.reads.ready(self.applied).collect(),
            refused: std::mem::take(&mut self.refused),
            mark,
            leadership,
        }
    }

    /// Whether this member leads, is the only voter, and has applied all that earlier terms left:
    /// then a read of the applied state is linearizable without asking anybody.
    #[must_use]
    pub fn is_sole_leader(&self) -> bool {
        self.led_from.is_some_and(|first| self.applied >= first) && self.is_sole_voter
    }

    /// The highest committed index.
    #[must_use]
    pub fn committed(&self) -> Index {
        self.committed
    }

    /// Whether this member learns.
    #[must_use]
    pub fn is_learner(&self) -> bool {
        self.raft.conf().learners.contains(&self.id)
    }

    /// Without a leader requests wait for one, as far as there is room.
    fn propose(&mut self, requests: Vec<(RequestId, Bytes)>) {
        if self.leadership.leader.is_none() {
            let room = WAITING_MAX.saturating_sub(self.waiting.len());
            let mut requests = requests.into_iter();
            self.waiting.extend(requests.by_ref().take(room));
            self.refused
                .extend(requests.map(|(id, _)| (id, Refused::NoLeader)));
            return;
        }
        let (ids, payloads): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        if self.raft.propose(payloads).is_err() {
            self.refused
                .extend(ids.into_iter().map(|id| (id, Refused::NoLeader)));
        }
    }

    /// One round of confirmation serves all reads of a batch.
    fn read(&mut self, ids: Vec<RequestId>) {
        for id in ids {
            if self
                .raft
                .read_index(Bytes::copy_from_slice(&id.0.to_be_bytes()))
                .is_err()
            {
                self.refused.push((id, Refused::NoLeader));
            }
        }
    }

    fn applied(&mut self, index: Index, conf_changes: &[raft::ConfChange]) {
        for change in conf_changes {
            // The state machine has refused what does not fit, on every member alike.
            if let Ok(conf) = self.raft.apply_conf_change(change) {
                self.is_sole_voter = is_sole_voter(self.id, &conf);
                self.marks.conf_changed(index);
            }
        }
        self.applied = self.applied.max(index);
        self.raft.applied(index);
    }

    fn leadership_changed(&mut self, soft: raft::SoftState) -> Option<Leadership> {
        let is_self = soft.role == Role::Leader;
        let leadership = Leadership {
            leader: soft.leader,
            term: soft.term,
            is_self,
        };
        if leadership == self.leadership {
            return None;
        }
        // A new leader begins its term with an entry of its own, the last of its log so far.
        if is_self && !self.leadership.is_self || leadership.term != self.leadership.term {
            self.led_from = is_self.then(|| self.raft.status().last);
        }
        if !is_self {
            self.led_from = None;
        }
        self.leadership = leadership;
        if !leadership.leader.is_none() && !self.waiting.is_empty() {
            // They are carried out with the next effects, which the shell asks for at once.
            let waiting = std::mem::take(&mut self.waiting);
            self.propose(waiting);
        }
        Some(leadership)
    }

    /// Drops entries that are applied and stored, except those kept for members that lag.
    fn cut(&mut self) {
        let keep = if self.is_sole_voter {
            0
        } else {
            self.catch_up_entries
        };
        let covered = self.applied.min(self.marks.stored_index());
        self.raft.compact(Index(covered.0.saturating_sub(keep)));
    }
}

fn is_sole_voter(id: MemberId, conf: &ConfState) -> bool {
    conf.voters == [id] && conf.voters_outgoing.is_empty()
}

fn read_id(context: &[u8]) -> Option<RequestId> {
    context
        .try_into()
        .ok()
        .map(u64::from_be_bytes)
        .map(RequestId)
}
