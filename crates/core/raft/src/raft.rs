//! The machine: its state, how it starts, and how its effects are collected.

use std::collections::BTreeMap;

use types::{ConfState, EntryKind, HardState, Index, MemberId, Term};

use crate::{
    config::{Config, Restored, StartError},
    effects::{Effects, ReadState, Role, SoftState, Ticket, Write},
    log::Log,
    members::Members,
    message::{Message, MessageKind},
    outbox::{Held, Outbox},
    progress::Progress,
    random::Random,
    read_index::Reads,
};

/// Who has answered a candidate, and how.
pub(crate) type Votes = BTreeMap<MemberId, bool>;

/// What only a leader keeps; gone when it steps down.
#[derive(Debug, Default)]
pub(crate) struct Leader {
    /// Every member of the configuration, this one included while it is in it.
    pub(crate) progress: BTreeMap<MemberId, Progress>,
    pub(crate) reads: Reads,
    /// Who is to take over, or none.
    pub(crate) transferee: MemberId,
    /// No further configuration change is appended until this index is applied.
    pub(crate) pending_conf: Index,
    /// The payload of proposals that are not yet handed out.
    pub(crate) uncommitted_bytes: u64,
    pub(crate) heartbeat_elapsed: u32,
    /// Whether there may be something to send to the followers at the end of the turn.
    pub(crate) is_due: bool,
}

/// The role and what belongs to it.
#[derive(Debug)]
pub(crate) enum State {
    Follower,
    PreCandidate(Votes),
    Candidate(Votes),
    Leader(Box<Leader>),
}

/// One member's consensus; see the crate's head.
#[derive(Debug)]
pub struct Raft {
    pub(crate) config: Config,
    pub(crate) term: Term,
    pub(crate) vote: MemberId,
    pub(crate) leader: MemberId,
    pub(crate) state: State,
    pub(crate) members: Members,
    /// Whether this member was removed, and may still be needed.
    pub(crate) is_departing: bool,
    pub(crate) log: Log,
    pub(crate) outbox: Outbox,
    pub(crate) read_states: Vec<ReadState>,
    /// Ticks since a leader was heard, a vote given or a campaign begun; of a leader, since it last
    /// made sure of its quorum.
    pub(crate) elapsed: u32,
    /// Ticks after which a campaign begins.
    pub(crate) timeout: u32,
    random: Random,
    issued_state: HardState,
    reported: SoftState,
    /// The last ticket given out.
    ticket: Ticket,
    /// The last ticket of a write that must be synced.
    ticket_synced: Ticket,
    /// Everything up to this ticket is durable.
    ticket_durable: Ticket,
}

impl Raft {
    /// Starts a member as a follower.
    ///
    /// # Errors
    /// [`StartError`] when the settings make no sense or the stored state is not whole.
    pub fn new(config: Config, restored: Restored) -> Result<Self, StartError> {
        config.check()?;
        let commit = restored.check()?;
        let members = Members::restore(&restored.conf)?;
        let start = (restored.snapshot.index, restored.snapshot.term);
        let log = Log::new(start, restored.entries, commit, restored.applied);
        let mut hard_state = restored.hard_state;
        if log.last_term() > hard_state.term {
            // The crash came between entries and the hard state of one write: nothing was sent in
            // that term, no vote given.
            hard_state.term = log.last_term();
            hard_state.vote = MemberId::NONE;
        }
        let mut raft = Self {
            random: Random::new(config.seed),
            config,
            term: hard_state.term,
            vote: hard_state.vote,
            leader: MemberId::NONE,
            state: State::Follower,
            members,
            is_departing: false,
            log,
            outbox: Outbox::default(),
            read_states: Vec::new(),
            elapsed: 0,
            timeout: 0,
            issued_state: restored.hard_state,
            reported: SoftState::default(),
            ticket: Ticket(0),
            ticket_synced: Ticket(0),
            ticket_durable: Ticket(0),
        };
        raft.reported.term = raft.term;
        raft.restart_clock();
        Ok(raft)
    }

    /// Tells that one unit of time has passed.
    pub fn tick(&mut self) {
        self.elapsed = self.elapsed.saturating_add(1);
        if self.is_leader() {
            self.tick_leader();
        } else if self.elapsed >= self.timeout && self.is_promotable() {
            self.elapsed = 0;
            self.campaign();
        }
    }

    /// Collects everything that has come due. Called at the end of each turn of inputs: what a
    /// turn appends is sent to each follower in one message.
    pub fn effects(&mut self) -> Effects {
        self.start_read_round();
        self.send_due();
        let write = self.issue_write();
        self.outbox.seal(self.ticket_synced, self.ticket_durable);
        let committed = self.log.hand_out(self.config.max_applying_bytes);
        if let State::Leader(leader) = &mut self.state {
            let bytes: u64 = committed.iter().map(|entry| entry.data.len() as u64).sum();
            leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(bytes);
        }
        Effects {
            write,
            messages: self.outbox.take(),
            committed,
            read_states: std::mem::take(&mut self.read_states),
            soft_state: self.report(),
        }
    }

    /// The write with this ticket, and all before it, are durable.
    ///
    /// # Panics
    /// When no such ticket was given out.
    pub fn persisted(&mut self, ticket: Ticket) {
        assert!(
            ticket <= self.ticket,
            "a ticket is acknowledged after it was given out"
        );
        self.ticket_durable = self.ticket_durable.max(ticket);
        self.log.persisted(ticket);
        self.acknowledge_own();
        for held in self.outbox.release(self.ticket_durable) {
            match held {
                Held::Message(message) => self.outbox.send(message),
                Held::OwnVote(term) if term == self.term => {
                    self.record_vote(MessageKind::VoteResponse, self.config.id, true);
                }
                Held::OwnVote(_) => {}
            }
        }
    }

    /// The state machine has applied everything up to `index`.
    ///
    /// # Panics
    /// When entries up to there were never handed out.
    pub fn applied(&mut self, index: Index) {
        self.log.applied_to(index);
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if self.members.auto_leave && self.log.applied() >= leader.pending_conf {
            self.log
                .push(EntryKind::ConfChangeV2, self.term, bytes::Bytes::new());
            leader.pending_conf = self.log.last();
            leader.is_due = true;
        }
    }

    /// Drops the log up to `index` from memory, as far as it is applied and durable. How much is
    /// kept for slow followers, who else need a snapshot, is the caller's policy.
    pub fn compact(&mut self, index: Index) {
        self.log.compact(index);
    }

    /// The bytes of the entries in memory.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.log.held_bytes()
    }

    /// The least index, `upto` at most, after whose compaction no more than `bytes_max` are held.
    #[must_use]
    pub fn lightened_to(&self, bytes_max: u64, upto: Index) -> Index {
        self.log.lightened_to(bytes_max, upto)
    }

    /// The last entry of the log.
    #[must_use]
    pub fn last_index(&self) -> Index {
        self.log.last()
    }

    /// This member.
    #[must_use]
    pub fn id(&self) -> MemberId {
        self.config.id
    }

    /// The current term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
    }

    /// The leader of this term, as far as known.
    #[must_use]
    pub fn leader(&self) -> Option<MemberId> {
        (!self.leader.is_none()).then_some(self.leader)
    }

    /// Whether this member leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self.state, State::Leader(_))
    }

    /// What this member is.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.state {
            State::Follower => Role::Follower,
            State::PreCandidate(_) => Role::PreCandidate,
            State::Candidate(_) => Role::Candidate,
            State::Leader(_) => Role::Leader,
        }
    }

    /// The configuration, with every change that was applied.
    #[must_use]
    pub fn conf(&self) -> ConfState {
        self.members.to_state()
    }

    /// Sends a message of this member's term as soon as the shell asks.
    pub(crate) fn send(&mut self, message: Message) {
        let message = self.stamp(message);
        self.outbox.send(message);
    }

    /// Sends a message once everything that this member has learned is durable.
    pub(crate) fn send_durable(&mut self, message: Message) {
        let message = self.stamp(message);
        self.outbox.hold(Held::Message(message));
    }

    /// Fills in sender and term where the message does not bring its own.
    fn stamp(&self, mut message: Message) -> Message {
        if message.from.is_none() {
            message.from = self.config.id;
        }
        if message.term == Term(0) && !message.kind.is_termless() {
            message.term = self.term;
        }
        message
    }

    /// Starts waiting anew, for a time drawn anew so that members do not campaign together.
    pub(crate) fn restart_clock(&mut self) {
        self.elapsed = 0;
        self.timeout = self.config.election_ticks + self.random.below(self.config.election_ticks);
    }

    /// Leaves at most a part of the wait, drawn anew for the same reason. Whoever hears from a leader
    /// waits in full again.
    pub(crate) fn hurry_clock(&mut self) {
        let most = self.config.election_ticks.div_ceil(2);
        let wait = 1 + self.random.below(most);
        self.elapsed = self.elapsed.max(self.timeout.saturating_sub(wait));
    }

    fn hard_state(&self) -> HardState {
        HardState {
            term: self.term,
            vote: self.vote,
            commit: self.log.commit(),
        }
    }

    fn issue_write(&mut self) -> Option<Write> {
        let state = self.hard_state();
        let is_changed = state != self.issued_state;
        if !is_changed && !self.log.has_unissued() {
            return None;
        }
        let must_sync = self.log.has_unissued()
            || (state.term, state.vote) != (self.issued_state.term, self.issued_state.vote);
        self.issued_state = state;
        self.ticket = Ticket(self.ticket.0 + 1);
        if must_sync {
            self.ticket_synced = self.ticket;
        }
        let (snapshot, entries) = self.log.issue(self.ticket);
        let hard_state = is_changed.then_some(state);
        Some(Write {
            ticket: self.ticket,
            snapshot,
            entries,
            hard_state,
            must_sync,
        })
    }

    fn report(&mut self) -> Option<SoftState> {
        let soft = SoftState {
            leader: self.leader,
            role: self.role(),
            term: self.term,
        };
        (soft != self.reported).then(|| {
            self.reported = soft;
            soft
        })
    }
}
