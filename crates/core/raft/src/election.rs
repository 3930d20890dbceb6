//! How a leader comes and goes: campaigns, votes, leases.
//!
//! A campaign with pre-vote first asks whether it could win, with the term it would use and without
//! taking it. A candidate's own vote, and its requests, wait until term and vote are durable.
//!
//! A voter that has heard from a leader within the election timeout gives no vote (the *lease*),
//! unless the leader itself asked for the election.

use bytes::Bytes;
use types::{EntryKind, Index, MemberId, Term};

use crate::{
    inflights::Inflights,
    message::{CAMPAIGN_TRANSFER, Message, MessageKind},
    outbox::Held,
    progress::Progress,
    quorum::Tally,
    raft::{Leader, Raft, State, Votes},
};

impl Raft {
    /// Campaigns without waiting for the election timeout; does nothing on a leader, on a member
    /// without a vote, and while a configuration change waits to be applied.
    pub fn campaign(&mut self) {
        if self.may_campaign() {
            if self.config.pre_vote {
                self.start_pre_vote();
            } else {
                self.start_election(false);
            }
        }
    }

    /// Tells that nobody listens any more where `id` was. If it leads, its lease is over, and this
    /// member campaigns soon; the others decide by what they have heard. Without pre-vote a
    /// campaign would disturb a leader that is well, so that nothing is done.
    pub fn report_gone(&mut self, id: MemberId) {
        let follows = matches!(self.state, State::Follower) && self.leader == id;
        if follows && !id.is_none() && self.config.pre_vote {
            self.leader = MemberId::NONE;
            self.hurry_clock();
        }
    }

    /// Tells that this member was removed: it may campaign for as long as it runs. The entry that removes it
    /// may be known to nobody else as committed, and what follows in its log may keep it from giving its vote
    /// (Ongaro, *Consensus: Bridging Theory and Practice*, 4.2.2). It never counts itself.
    pub fn depart(&mut self) {
        self.is_departing = true;
    }

    pub(crate) fn may_campaign(&self) -> bool {
        !self.is_leader() && self.is_promotable() && !self.log.has_unapplied_conf_change()
    }

    /// Whether this member could lead: it has a vote, or those who have may need it, and its state is whole.
    pub(crate) fn is_promotable(&self) -> bool {
        let voters = &self.members.voters;
        let helps = self.is_departing && !voters.ids().is_empty();
        (helps || voters.contains(self.config.id)) && !self.log.is_restoring()
    }

    fn start_pre_vote(&mut self) {
        self.state = State::PreCandidate(Votes::new());
        self.leader = MemberId::NONE;
        self.restart_clock();
        // Promises nothing, so that it counts at once. It may already decide.
        self.record_vote(MessageKind::PreVoteResponse, self.config.id, true);
        if matches!(self.state, State::PreCandidate(_)) {
            let term = Term(self.term.0 + 1);
            for message in self.vote_requests(MessageKind::PreVote, term, Bytes::new()) {
                self.send(message);
            }
        }
    }

    /// Takes the next term and asks for it; `is_transfer` when the leader wants it.
    pub(crate) fn start_election(&mut self, is_transfer: bool) {
        self.term = Term(self.term.0 + 1);
        self.vote = self.config.id;
        self.leader = MemberId::NONE;
        self.state = State::Candidate(Votes::new());
        self.restart_clock();
        let context = Bytes::from_static(if is_transfer { CAMPAIGN_TRANSFER } else { b"" });
        self.outbox.hold(Held::OwnVote(self.term));
        for message in self.vote_requests(MessageKind::Vote, self.term, context) {
            self.send_durable(message);
        }
    }

    fn vote_requests(&self, kind: MessageKind, term: Term, context: Bytes) -> Vec<Message> {
        let others = self
            .members
            .voters
            .ids()
            .into_iter()
            .filter(|id| *id != self.config.id);
        let request = |to| Message {
            kind,
            to,
            term,
            index: self.log.last(),
            log_term: self.log.last_term(),
            context: context.clone(),
            ..Message::default()
        };
        others.map(request).collect()
    }

    /// Counts an answer to the campaign that `kind` belongs to; the first answer of a member
    /// stands.
    pub(crate) fn record_vote(&mut self, kind: MessageKind, from: MemberId, granted: bool) {
        let votes = match (&mut self.state, kind) {
            (State::PreCandidate(votes), MessageKind::PreVoteResponse)
            | (State::Candidate(votes), MessageKind::VoteResponse) => votes,
            _ => return,
        };
        votes.entry(from).or_insert(granted);
        match self.members.voters.tally(|id| votes.get(&id).copied()) {
            Tally::Open => {}
            Tally::Lost => self.become_follower(self.term, MemberId::NONE),
            Tally::Won if kind == MessageKind::PreVoteResponse => self.start_election(false),
            Tally::Won => self.become_leader(),
        }
    }

    /// Answers a candidate.
    pub(crate) fn on_vote_request(&mut self, message: &Message) {
        let is_pre_vote = message.kind == MessageKind::PreVote;
        let is_free = self.vote == message.from
            || (self.vote.is_none() && self.leader.is_none())
            || (is_pre_vote && message.term > self.term);
        let granted = is_free && self.log.is_covered_by(message.index, message.log_term);
        if granted && !is_pre_vote {
            self.elapsed = 0;
            self.vote = message.from;
        }
        let kind = if is_pre_vote {
            MessageKind::PreVoteResponse
        } else {
            MessageKind::VoteResponse
        };
        // A granted pre-vote answers with the term that was asked for, which is not this member's.
        let term = if granted { message.term } else { self.term };
        self.send_durable(Message {
            kind,
            to: message.from,
            term,
            reject: !granted,
            ..Message::default()
        });
    }

    /// Whether a leader was heard recently, so that nobody else gets a vote.
    pub(crate) fn is_in_lease(&self) -> bool {
        self.config.check_quorum
            && !self.leader.is_none()
            && self.elapsed < self.config.election_ticks
    }

    /// Follows `leader`, or waits for one, in `term`.
    pub(crate) fn become_follower(&mut self, term: Term, leader: MemberId) {
        if term > self.term {
            self.term = term;
            self.vote = MemberId::NONE;
        }
        self.leader = leader;
        self.state = State::Follower;
        self.restart_clock();
    }

    /// Leads: nothing is known of the others, and an empty entry shall commit what came before.
    fn become_leader(&mut self) {
        let last = self.log.last();
        let mut leader = Leader {
            // Entries of earlier terms may hold a change that was not applied here.
            pending_conf: last,
            is_due: true,
            ..Leader::default()
        };
        for id in self.members.ids() {
            leader.progress.insert(id, self.new_progress(last.next()));
        }
        if let Some(own) = leader.progress.get_mut(&self.config.id) {
            own.matched = self.log.stable();
            own.is_active = true;
            own.become_replicate();
        }
        self.leader = self.config.id;
        self.state = State::Leader(Box::new(leader));
        self.restart_clock();
        self.log.push(EntryKind::Normal, self.term, Bytes::new());
    }

    /// A member of which nothing is known.
    pub(crate) fn new_progress(&self, next: Index) -> Progress {
        let window = Inflights::new(
            self.config.max_inflight_messages,
            self.config.max_inflight_bytes,
        );
        Progress::new(next, window)
    }

    /// A leader's tick: is the quorum still there, has the transfer failed, is a heartbeat due?
    pub(crate) fn tick_leader(&mut self) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.heartbeat_elapsed += 1;
        let beats = leader.heartbeat_elapsed >= self.config.heartbeat_ticks;
        if beats {
            leader.heartbeat_elapsed = 0;
        }
        if self.elapsed >= self.config.election_ticks {
            self.elapsed = 0;
            leader.transferee = MemberId::NONE;
            let has_quorum = !self.config.check_quorum || self.was_quorum_active();
            if !self.members.voters.contains(self.config.id) {
                self.hand_over();
            } else if !has_quorum {
                self.become_follower(self.term, MemberId::NONE);
                return;
            }
        }
        if beats {
            self.broadcast_heartbeat();
        }
    }

    /// Whether a quorum was heard since the last call.
    fn was_quorum_active(&mut self) -> bool {
        let (State::Leader(leader), own) = (&mut self.state, self.config.id) else {
            return false;
        };
        let is_active =
            |id| Some(id == own || leader.progress.get(&id).is_some_and(|p| p.is_active));
        let tally = self.members.voters.tally(is_active);
        for progress in leader.progress.values_mut() {
            progress.is_active = false;
        }
        tally == Tally::Won
    }
}
