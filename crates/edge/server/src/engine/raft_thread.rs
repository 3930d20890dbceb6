//! The raft thread: owns the member machine, feeds it what waits, and hands out what it asks for.
//!
//! Everything that waits is taken at once, so that under load one turn proposes a whole batch.
//! Messages to peers leave before the local write is durable; answers never do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use member::{Effects, Input, Member};
use raft::{ChangeKind, Message, MessageKind, Ticket, Write};
use types::{EntryKind, Index, MemberId, RequestId, SnapshotMark, Term};

use super::apply_thread::ApplyInput;
use super::ending::End;
use super::inbox::Inbox;
use super::log_thread::LogInput;
use super::mailbox::{Letter, Sorter};
use super::peers::Peers;
use super::shared::Engine;
use super::store_thread::StoreInput;

/// A request on its way into the log.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) id: RequestId,
    pub(crate) kind: EntryKind,
    pub(crate) data: Bytes,
}

/// What the raft thread is told.
#[derive(Debug)]
pub(crate) enum RaftInput {
    /// Replicate a request.
    Propose(Proposal),
    /// Replicate a request if this member leads in this term; it is not passed on.
    ProposeIn(Term, Proposal),
    /// Confirm a linearizable read.
    Read(RequestId),
    /// A write of the log is durable.
    Persisted(Ticket),
    /// Entries are applied.
    Applied {
        index: Index,
        conf_changes: Vec<cluster::ConfChange>,
    },
    /// The store holds everything up to this entry.
    Stored(Index, Term),
    /// A peer says something.
    Message(Box<Message>),
    /// Messages to a peer were lost.
    Unreachable(MemberId),
    /// Nobody listens any more where a peer was.
    Gone(MemberId),
    /// A peer says that this member was removed.
    Removed(MemberId),
    /// A snapshot to a peer was delivered, or was not.
    SnapshotSent { to: MemberId, delivered: bool },
    /// Another member is to lead.
    Transfer(MemberId),
    /// Whether a snapshot is being made ready.
    Receiving(bool),
    /// A snapshot is ready to take the place of the state.
    Received(Box<Message>),
}

/// The raft thread's own state.
pub(crate) struct RaftThread {
    pub(crate) member: Member,
    pub(crate) engine: Engine,
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) log: Inbox<LogInput>,
    pub(crate) apply: Inbox<ApplyInput>,
    pub(crate) tick: Duration,
    /// Ticks that a start counts as past: nobody was heard before it either.
    pub(crate) ticks_skipped: u32,
    /// A snapshot that consensus was told of in this turn.
    pub(crate) received: Option<Index>,
}

impl RaftThread {
    /// Runs until the inbox is closed.
    pub(crate) fn run(mut self, inbox: &Inbox<RaftInput>) {
        let mut answers = Sorter::new(self.engine.post().clone());
        let mut batch = Vec::new();
        let mut next_tick = Instant::now() + self.tick;
        for _ in 0..self.ticks_skipped {
            self.member.handle(Input::Tick);
        }
        self.carry_out(&mut answers);
        while inbox.take(&mut batch, Some(next_tick)) {
            self.handle(&mut batch);
            let now = Instant::now();
            self.watch_heartbeat(now.saturating_duration_since(next_tick));
            while next_tick <= now {
                self.member.handle(Input::Tick);
                next_tick += self.tick;
                // After a pause of the whole process a burst of ticks would only depose leaders.
                next_tick = next_tick.max(now);
                self.engine.set_progress(self.member.progress());
            }
            self.carry_out(&mut answers);
        }
    }

    /// Tells of a heartbeat to others that is late by more than the time between two.
    fn watch_heartbeat(&self, late: Duration) {
        let is_led = self.engine.is_leader() && !self.engine.status().is_sole_leader();
        if late <= self.tick || !is_led {
            return;
        }
        self.engine.meters().heartbeat_late();
        tracing::warn!(
            "heartbeat-interval" = ?self.tick,
            "expected-duration" = ?(self.tick * 2),
            "exceeded-duration" = ?(late - self.tick),
            "leader failed to send out heartbeat on time; took too long, leader is overloaded \
             likely from slow disk"
        );
    }

    /// Passes a batch to the machine, neighbouring requests of a kind together.
    fn handle(&mut self, batch: &mut Vec<RaftInput>) {
        let (mut proposals, mut reads) = (Vec::new(), Vec::new());
        for input in batch.drain(..) {
            match input {
                RaftInput::Propose(Proposal {
                    id,
                    kind: EntryKind::Normal,
                    data,
                }) => {
                    proposals.push((id, data));
                }
                RaftInput::Propose(Proposal { id, data, .. }) => {
                    self.propose(&mut proposals);
                    self.member.handle(Input::ConfChange(id, data));
                }
                RaftInput::ProposeIn(term, Proposal { id, data, .. }) => {
                    self.propose(&mut proposals);
                    self.member.handle(Input::ProposeIn(term, vec![(id, data)]));
                }
                RaftInput::Read(id) => reads.push(id),
                RaftInput::Persisted(ticket) => self.member.handle(Input::Persisted(ticket)),
                RaftInput::Applied {
                    index,
                    conf_changes,
                } => {
                    let conf_changes = conf_changes.iter().map(to_raft).collect();
                    self.member.handle(Input::Applied {
                        index,
                        conf_changes,
                    });
                }
                RaftInput::Stored(index, term) => self.member.handle(Input::Stored(index, term)),
                RaftInput::Message(message) => {
                    self.engine.shared().backlog.taken(&message);
                    self.member.handle(Input::Message(message));
                }
                RaftInput::Unreachable(peer) => self.member.handle(Input::Unreachable(peer)),
                RaftInput::Gone(peer) => self.member.handle(Input::Gone(peer)),
                RaftInput::Removed(by) => self.member.handle(Input::Removed(by)),
                RaftInput::SnapshotSent { to, delivered } => {
                    self.member.handle(Input::SnapshotSent { to, delivered });
                }
                RaftInput::Transfer(to) => self.member.handle(Input::Transfer(to)),
                RaftInput::Receiving(is) => self.member.handle(Input::Receiving(is)),
                RaftInput::Received(message) => self.received(message),
            }
        }
        self.propose(&mut proposals);
        if !reads.is_empty() {
            self.member.handle(Input::Read(reads));
        }
    }

    fn propose(&mut self, proposals: &mut Vec<(RequestId, Bytes)>) {
        if !proposals.is_empty() {
            self.member
                .handle(Input::Propose(std::mem::take(proposals)));
        }
    }

    /// Carries out everything that is due.
    fn carry_out(&mut self, answers: &mut Sorter) {
        // A new leader takes up the requests that waited for one; one round of reads follows another.
        while self.turn(answers) {}
        answers.deliver();
    }

    /// Carries out what is due; whether there is more at once.
    fn turn(&mut self, answers: &mut Sorter) -> bool {
        let effects = self.member.effects();
        let status = self.engine.status();
        status.set_committed(self.member.committed());
        status.set_sole_leader(self.member.is_sole_leader());
        let Effects {
            write,
            messages,
            apply,
            reads,
            // The callers wait for their deadlines, which say the same without a retry storm.
            refused: _,
            mark,
            leadership,
            more,
            removed,
        } = effects;
        if !messages.is_empty() {
            self.send(messages);
        }
        self.discard_unless_taken(write.as_ref());
        self.write(write, mark);
        if !apply.is_empty() {
            self.apply.push(ApplyInput::Entries(apply));
        }
        if let Some(leadership) = leadership {
            self.engine
                .leadership_changed(leadership, self.member.is_learner());
        }
        for id in reads {
            answers.add(id, Letter::ReadConfirmed(id));
        }
        if removed {
            self.engine.ending().set(End::Removed);
        }
        more
    }

    /// Tells consensus of a snapshot whose store is ready.
    fn received(&mut self, message: Box<Message>) {
        let snapshot = message.snapshot.as_ref();
        self.received = snapshot.map(|snapshot| snapshot.mark.index);
        self.member.handle(Input::Receiving(false));
        self.member.handle(Input::Message(message));
    }

    /// A snapshot that consensus did not take is of no use.
    fn discard_unless_taken(&mut self, write: Option<&Write>) {
        let Some(index) = self.received.take() else {
            return;
        };
        let taken = write.and_then(|write| write.snapshot.as_ref());
        if taken.is_none_or(|snapshot| snapshot.mark.index != index) {
            let shared = self.engine.shared();
            shared.store.push(StoreInput::Discard(index));
        }
    }

    /// Sends what is for the peers; a snapshot is a wish, which the apply side fulfils.
    fn send(&self, mut messages: Vec<Message>) {
        let is_snapshot = |message: &mut Message| message.kind == MessageKind::Snapshot;
        for message in messages.extract_if(.., is_snapshot) {
            self.apply.push(ApplyInput::Snapshot(Box::new(message)));
        }
        if !messages.is_empty() {
            self.peers.send(messages);
        }
    }

    /// Passes on what the log is to hold. A commit index alone may be lost, and waits for the next
    /// write.
    fn write(&self, write: Option<Write>, mark: Option<SnapshotMark>) {
        match write {
            Some(write) if write.must_sync => self.log.push(LogInput::Write(write)),
            Some(write) => self.log.defer(LogInput::Write(write)),
            None => {}
        }
        if let Some(mark) = mark {
            self.log.push(LogInput::Mark(mark));
        }
    }
}

/// What a committed configuration change means to consensus.
fn to_raft(change: &cluster::ConfChange) -> raft::ConfChange {
    let kind = match change.kind {
        cluster::ConfChangeKind::AddNode => ChangeKind::AddVoter,
        cluster::ConfChangeKind::RemoveNode => ChangeKind::Remove,
        cluster::ConfChangeKind::UpdateNode => ChangeKind::Update,
        cluster::ConfChangeKind::AddLearnerNode => ChangeKind::AddLearner,
    };
    let node: MemberId = change.node;
    raft::ConfChange {
        changes: vec![(kind, node)],
        ..raft::ConfChange::default()
    }
}
