//! The raft thread: owns the member machine, feeds it what waits, and hands out what it asks for.
//!
//! Everything that waits is taken at once, so that under load one turn proposes a whole batch.
//! Messages to peers leave before the local write is durable; answers never do.

use std::time::{Duration, Instant};

use bytes::Bytes;
use member::{Effects, Input, Member, Refused};
use proto::error::Error;
use raft::{ChangeKind, Ticket, Write};
use types::{EntryKind, Index, MemberId, RequestId, SnapshotMark, Term};

use super::apply_thread::ApplyInput;
use super::inbox::Inbox;
use super::log_thread::LogInput;
use super::mailbox::{Letter, Sorter};
use super::shared::Engine;

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
}

/// The raft thread's own state.
pub(crate) struct RaftThread {
    pub(crate) member: Member,
    pub(crate) engine: Engine,
    pub(crate) log: Inbox<LogInput>,
    pub(crate) apply: Inbox<ApplyInput>,
    pub(crate) tick: Duration,
}

impl RaftThread {
    /// Runs until the inbox is closed.
    pub(crate) fn run(mut self, inbox: &Inbox<RaftInput>) {
        let mut answers = Sorter::new(self.engine.post().clone());
        let mut batch = Vec::new();
        let mut next_tick = Instant::now() + self.tick;
        self.carry_out(&mut answers);
        while inbox.take(&mut batch, Some(next_tick)) {
            self.handle(&mut batch);
            let now = Instant::now();
            while next_tick <= now {
                self.member.handle(Input::Tick);
                next_tick += self.tick;
                // After a pause of the whole process a burst of ticks would only depose leaders.
                next_tick = next_tick.max(now);
            }
            self.carry_out(&mut answers);
        }
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
        let mut has_leader_changed = self.turn(answers);
        // A new leader takes up the requests that waited for one.
        while has_leader_changed {
            has_leader_changed = self.turn(answers);
        }
        answers.deliver();
    }

    /// Carries out what is due; whether the leader has changed.
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
            refused,
            mark,
            leadership,
        } = effects;
        // Peers come with the cluster transport; a sole voter has nobody to talk to.
        drop(messages);
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
        for (id, refused) in refused {
            match refused {
                // The caller waits for its deadline, which says the same without a retry storm.
                Refused::NoLeader => {}
                Refused::LeaderChanged => answers.add(id, Letter::Failed(id, Error::LeaderChanged)),
            }
        }
        leadership.is_some()
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
