//! The machine itself: inputs to consensus, and its effects with the policies added.

use bytes::Bytes;
use raft::{MessageKind, Raft, Role, Ticket};
use types::{ConfState, Entry, EntryKind, Index, MemberId, RequestId, SnapshotMark, Term};

use crate::config::{Config, Restored};
use crate::marks::Marks;
use crate::reads::Reads;
use crate::retention::Retention;
use crate::stall::Stall;
use crate::waiting::{Request, Waiting};

/// Entries of one forwarded message, in bytes; one entry may exceed it alone.
const FORWARD_BYTES: usize = 1 << 20;
/// Election timeouts for which a removed member stays at most, while no voter knows of its removal.
const REMOVED_TIMEOUTS: u64 = 60;

/// Everything that can happen to a member.
#[derive(Debug)]
pub enum Input {
    /// A heartbeat interval has passed.
    Tick,
    /// Requests to replicate, in order.
    Propose(Vec<(RequestId, Bytes)>),
    /// Requests that only the leader of this term may make, by its own clock: they are refused
    /// elsewhere, never forwarded. A deposed leader must not end what its successor keeps alive.
    ProposeIn(Term, Vec<(RequestId, Bytes)>),
    /// A change of the membership to replicate.
    ConfChange(RequestId, Bytes),
    /// Reads that must see everything acknowledged before them.
    Read(Vec<RequestId>),
    /// A peer says something. A snapshot is passed on when its database is at hand, durably; see
    /// [`Input::Receiving`].
    Message(Box<raft::Message>),
    /// A peer could not be reached: what was sent to it may be lost.
    Unreachable(MemberId),
    /// Nobody listens any more where a peer was.
    Gone(MemberId),
    /// A peer says that this member was removed.
    Removed(MemberId),
    /// A snapshot that [`Effects::messages`] asked for was delivered, or failed.
    SnapshotSent {
        /// To whom.
        to: MemberId,
        /// Whether it arrived.
        delivered: bool,
    },
    /// Whether a snapshot from a peer is being made ready. Until it is stepped or dropped, entries
    /// that would follow it are not answered: a refusal would only bring another snapshot.
    Receiving(bool),
    /// Another member is to lead.
    Transfer(MemberId),
    /// The log thread has made a write durable.
    Persisted(Ticket),
    /// Everything up to `index` is applied, with these configuration changes on the way. A snapshot
    /// that was installed counts as applied, and as stored.
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
    /// To the log. A snapshot in it replaces the state machine's state; its message had been
    /// passed in by the shell in this turn.
    pub write: Option<raft::Write>,
    /// To the peers. A snapshot among them is a request: the shell builds one that holds at least
    /// what its mark says, sends it, and answers with [`Input::SnapshotSent`].
    pub messages: Vec<raft::Message>,
    /// To the state machine.
    pub apply: Vec<Entry>,
    /// Reads that may be answered.
    pub reads: Vec<RequestId>,
    /// Requests that nobody takes: the caller waits for its deadline, as it would for an answer.
    pub refused: Vec<RequestId>,
    /// A mark for the log.
    pub mark: Option<SnapshotMark>,
    /// Who leads, if that changed.
    pub leadership: Option<Leadership>,
    /// Whether there is more to do at once: the shell asks again.
    pub more: bool,
    /// This member was removed, and the others know or had time to learn of it: it ends.
    pub removed: bool,
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
    retention: Retention,
    stall: Stall,
    applied: Index,
    committed: Index,
    is_sole_voter: bool,
    /// Whether there is nobody else at all.
    is_alone: bool,
    leadership: Leadership,
    /// The first index of this member's own term as leader.
    led_from: Option<Index>,
    /// Requests that nobody takes yet.
    waiting: Waiting,
    /// Changes of the membership that wait for the one before them.
    changes: Waiting,
    refused: Vec<RequestId>,
    /// Ticks since the start.
    now: u64,
    is_receiving: bool,
    /// When this member ends at the latest because it was removed.
    ends: Option<u64>,
    election_ticks: u64,
    request_ticks: u64,
    read_retry_ticks: u64,
}

impl Member {
    /// A member as it was left.
    ///
    /// # Errors
    /// When what was restored contradicts itself.
    pub fn new(config: Config, restored: Restored) -> Result<Self, raft::StartError> {
        let applied = restored.raft.applied;
        let committed = restored.raft.hard_state.commit.max(applied);
        let id = config.raft.id;
        let election_ticks = u64::from(config.raft.election_ticks);
        let mut member = Self {
            id,
            retention: config.retention(),
            raft: Raft::new(config.raft, restored.raft)?,
            reads: Reads::default(),
            marks: Marks::new(config.mark_every, restored.mark),
            stall: Stall::default(),
            applied,
            committed,
            is_sole_voter: false,
            is_alone: false,
            leadership: Leadership::default(),
            led_from: None,
            waiting: Waiting::default(),
            changes: Waiting::default(),
            refused: Vec::new(),
            now: 0,
            is_receiving: false,
            ends: None,
            election_ticks,
            request_ticks: config.request_ticks,
            read_retry_ticks: config.read_retry_ticks,
        };
        member.follow_conf();
        if restored.is_removed {
            member.leave();
        }
        Ok(member)
    }

    /// Takes what happened.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Tick => self.tick(),
            Input::Propose(requests) => self.propose(requests),
            Input::ProposeIn(term, requests) => self.propose_in(term, requests),
            Input::ConfChange(id, data) => self.submit(Request {
                id: Some(id),
                kind: EntryKind::ConfChange,
                data,
            }),
            Input::Read(ids) => self.reads.add(ids),
            Input::Message(message) => self.step(*message),
            Input::Unreachable(id) => self.raft.report_unreachable(id),
            Input::Gone(id) => self.raft.report_gone(id),
            Input::Removed(by) => self.told_of_removal(by),
            Input::SnapshotSent { to, delivered } => {
                self.retention.snapshot_ends(to, self.now);
                self.raft.report_snapshot(to, delivered);
            }
            Input::Receiving(is_receiving) => self.is_receiving = is_receiving,
            // A transfer that cannot begin shows in that nothing changes.
            Input::Transfer(to) => drop(self.raft.transfer_leader(to)),
            Input::Persisted(ticket) => {
                self.stall.persisted(ticket, self.now);
                self.raft.persisted(ticket);
            }
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
        self.ask_for_reads();
        self.submit_changes();
        let mut due = self.raft.effects();
        if let Some(write) = &due.write {
            self.written(write);
        }
        for state in &due.read_states {
            if let Some(id) = read_id(&state.context) {
                self.reads.confirmed(state.index, id);
            }
        }
        self.note_snapshots(&due.messages);
        let soft_state = due.soft_state.take();
        let leadership = soft_state.and_then(|soft| self.leadership_changed(soft));
        let raft = &self.raft;
        let mark = self.marks.due(|| raft.conf());
        self.cut();
        let has_reads = !due.read_states.is_empty();
        Effects {
            more: leadership.is_some() || has_reads && self.is_read_due(),
            write: due.write,
            messages: due.messages,
            apply: due.committed,
            reads: self.reads.ready(self.applied),
            refused: std::mem::take(&mut self.refused),
            mark,
            leadership,
            removed: self.ends.take_if(|ends| *ends <= self.now).is_some(),
        }
    }

    /// Whether this member leads, is the only one, and has applied all that earlier terms left: then
    /// a read of the applied state is linearizable without asking anybody. A learner would do harm:
    /// it may apply a write, and acknowledge it, before its leader does.
    #[must_use]
    pub fn is_sole_leader(&self) -> bool {
        self.led_from.is_some_and(|first| self.applied >= first) && self.is_alone
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

    /// What this leader knows of the others' progress; empty on other members.
    #[must_use]
    pub fn progress(&self) -> Vec<raft::MemberProgress> {
        self.raft.member_progress()
    }

    /// A look at consensus, for those who check it.
    #[must_use]
    pub fn status(&self) -> raft::Status {
        self.raft.status()
    }

    fn tick(&mut self) {
        self.now += 1;
        // Before consensus, which forgets now and then who was heard of.
        let limit = 2 * self.election_ticks;
        if self.leadership.is_self && self.stall.is_over(self.now, limit) {
            self.step_aside();
        }
        self.raft.tick();
        self.retention.tick(&self.raft, self.now);
        self.reads.expire(self.now, self.request_ticks);
        self.waiting.expire(self.now, self.request_ticks);
        self.changes.expire(self.now, self.request_ticks);
        self.submit_waiting();
    }

    fn step(&mut self, message: raft::Message) {
        if self.is_receiving && message.kind == MessageKind::Append {
            return;
        }
        // What no member proposes must not get into the log, whoever forwards it.
        let is_joint = |entry: &Entry| entry.kind == EntryKind::ConfChangeV2;
        if message.kind == MessageKind::Propose && message.entries.iter().any(is_joint) {
            return;
        }
        // Who forwarded it does not know yet that this member no longer leads.
        if message.kind == MessageKind::Propose && !self.raft.takes_proposals() {
            return self.hold(message.entries);
        }
        if let Some(change) = self.forwarded_change(&message) {
            return self.carry(change);
        }
        // A message that makes no sense is the sender's trouble.
        let _ = self.raft.step(message);
    }

    /// Forwarded requests wait for the next leader, too.
    fn hold(&mut self, entries: Vec<Entry>) {
        for Entry { kind, data, .. } in entries {
            self.submit(Request {
                id: None,
                kind,
                data,
            });
        }
    }

    /// A change of the membership that another member passes on while this leader must hold it back.
    fn forwarded_change(&self, message: &raft::Message) -> Option<Request> {
        let [entry] = &message.entries[..] else {
            return None;
        };
        let is_change = message.kind == MessageKind::Propose && entry.kind == EntryKind::ConfChange;
        (is_change && self.holds_changes()).then(|| Request {
            // Whoever proposed it waits for it on another member.
            id: None,
            kind: entry.kind,
            data: entry.data.clone(),
        })
    }

    /// Whether a change of the membership would come to nothing, since another one is under way.
    fn holds_changes(&self) -> bool {
        !self.changes.is_empty() || !self.raft.takes_conf_changes()
    }

    /// Requests that nobody takes at the moment wait, as far as there is room.
    fn propose(&mut self, requests: Vec<(RequestId, Bytes)>) {
        if !self.raft.takes_proposals() || !self.waiting.is_empty() {
            for (id, data) in requests {
                let (id, kind) = (Some(id), EntryKind::Normal);
                self.submit(Request { id, kind, data });
            }
            return;
        }
        if !self.leadership.is_self {
            return self.forward(requests);
        }
        let (ids, payloads): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        if self.raft.propose(payloads).is_err() {
            self.refused.extend(ids);
        }
    }

    /// Requests of the leader's own, if this member is that still.
    fn propose_in(&mut self, term: Term, requests: Vec<(RequestId, Bytes)>) {
        let leads = self.raft.is_leader() && self.raft.term() == term;
        let (ids, payloads): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        if !leads || self.raft.propose(payloads).is_err() {
            self.refused.extend(ids);
        }
    }

    /// Sends requests to the leader, in messages of a bounded size.
    fn forward(&mut self, requests: Vec<(RequestId, Bytes)>) {
        let (mut payloads, mut bytes) = (Vec::new(), 0);
        for (_, data) in requests {
            if bytes + data.len() > FORWARD_BYTES && !payloads.is_empty() {
                // That it is lost, as on the way, shows in that no answer comes.
                let _ = self.raft.propose(std::mem::take(&mut payloads));
                bytes = 0;
            }
            bytes += data.len();
            payloads.push(data);
        }
        let _ = self.raft.propose(payloads);
    }

    /// One request; it waits while nobody takes it or others wait before it.
    fn submit(&mut self, request: Request) {
        if self.raft.takes_proposals() && self.waiting.is_empty() {
            self.carry(request);
        } else if let Err(request) = self.waiting.add(self.now, request) {
            self.refused.extend(request.id);
        }
    }

    /// Gives one request to consensus; changes of the membership one after the other.
    fn carry(&mut self, request: Request) {
        if request.kind == EntryKind::Normal || !self.holds_changes() {
            self.give(request);
        } else if let Err(request) = self.changes.add(self.now, request) {
            self.refused.extend(request.id);
        }
    }

    fn submit_changes(&mut self) {
        while !self.changes.is_empty()
            && self.raft.takes_proposals()
            && self.raft.takes_conf_changes()
            && let Some(change) = self.changes.pop()
        {
            self.give(change);
        }
    }

    fn give(&mut self, request: Request) {
        let Request { id, kind, data } = request;
        let carried = match kind {
            EntryKind::Normal => self.raft.propose(vec![data]),
            kind => self.raft.propose_conf_change(kind, data),
        };
        if carried.is_err() {
            self.refused.extend(id);
        }
    }

    fn submit_waiting(&mut self) {
        if !self.waiting.is_empty() && self.raft.takes_proposals() {
            for request in self.waiting.take() {
                self.carry(request);
            }
        }
    }

    /// Asks the leader for the round of reads that is due. Without a leader it stays due.
    fn ask_for_reads(&mut self) {
        if let Some(id) = self.reads.due(self.now, self.read_retry_ticks) {
            let context = Bytes::copy_from_slice(&id.0.to_be_bytes());
            if self.raft.read_index(context).is_ok() {
                self.reads.asked(self.now);
            }
        }
    }

    fn is_read_due(&mut self) -> bool {
        !self.leadership.leader.is_none()
            && self.reads.due(self.now, self.read_retry_ticks).is_some()
    }

    fn written(&mut self, write: &raft::Write) {
        if write.must_sync {
            self.stall.issued(write.ticket, self.now);
        }
        if let Some(state) = write.hard_state {
            self.committed = state.commit;
        }
        if let Some(snapshot) = &write.snapshot {
            // Its configuration holds already, and the log begins at its mark.
            self.marks.received(snapshot.mark.index);
            self.follow_conf();
        }
    }

    fn note_snapshots(&mut self, messages: &[raft::Message]) {
        for message in messages {
            if let Some(snapshot) = &message.snapshot {
                let index = snapshot.mark.index;
                self.retention.snapshot_begins(message.to, index);
            }
        }
    }

    fn applied(&mut self, index: Index, conf_changes: &[raft::ConfChange]) {
        for change in conf_changes {
            // The state machine has refused what does not fit, on every member alike.
            if self.raft.apply_conf_change(change).is_ok() {
                self.marks.conf_changed(index);
                self.follow_conf();
            }
            let removes_self = (raft::ChangeKind::Remove, self.id);
            if change.changes.contains(&removes_self) {
                self.leave();
            }
        }
        self.applied = self.applied.max(index);
        self.raft.applied(index);
    }

    /// This member was removed. The others may need it to learn that: most of all a leader, which may
    /// be the only one who knows, but also its vote, until they know that it has none, and even that it
    /// leads again, if its log is the longest.
    fn leave(&mut self) {
        self.raft.depart();
        let latest = self.now + REMOVED_TIMEOUTS * self.election_ticks;
        self.ends.get_or_insert(latest);
    }

    /// A peer says that this member was removed: it has carried the removal out.
    ///
    /// If it votes, the others can do without this member. Alone it is their whole quorum. Of several,
    /// the one with the longest log has the removal in it, since that log covers the teller's, and gets
    /// the votes of all. Should it not know yet that the removal is committed, it takes this member for
    /// a voter that is silent, and wins without it; only when another one is silent, too, it may have
    /// to wait for that one, as after every loss of two.
    ///
    /// A learner's word says nothing of the voters that are left: it may have heard before they did.
    /// Neither does that of somebody who is unknown here.
    fn told_of_removal(&mut self, by: MemberId) {
        let voters = self.raft.conf().voters;
        // Who has not heard of anybody yet has given no vote, and acknowledged nothing.
        match voters.is_empty() || voters.contains(&by) {
            true => self.ends = Some(self.now),
            false => self.leave(),
        }
    }

    fn follow_conf(&mut self) {
        let conf = self.raft.conf();
        self.is_sole_voter = is_sole_voter(self.id, &conf);
        self.is_alone = self.is_sole_voter && conf.learners.is_empty();
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
            self.led_from = is_self.then(|| self.raft.last_index());
        }
        if !is_self {
            self.led_from = None;
            self.retention.forget_snapshots();
        }
        let before = std::mem::replace(&mut self.leadership, leadership);
        if !leadership.leader.is_none() {
            if (before.leader, before.term) != (leadership.leader, leadership.term) {
                self.reads.leader_changed();
            }
            // They are carried out with the next effects, which the shell asks for at once.
            self.submit_waiting();
        }
        Some(leadership)
    }

    /// Lets the most advanced voter that is alive lead.
    fn step_aside(&mut self) {
        let progress = self.raft.member_progress();
        let others = progress
            .iter()
            .filter(|member| member.id != self.id && !member.is_learner && member.is_active);
        if let Some(best) = others.max_by_key(|member| member.matched) {
            let _ = self.raft.transfer_leader(best.id);
        }
    }

    /// Drops entries that are applied and stored, except those kept for members that lag.
    fn cut(&mut self) {
        let covered = self.applied.min(self.marks.stored_index());
        let upto = match self.is_alone {
            true => covered,
            false => self.retention.cut(&self.raft, covered),
        };
        self.raft.compact(upto);
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
