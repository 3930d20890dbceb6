//! The raft part: feeds the member machine with what waits, and carries out what it asks for.

use ::apply::Rejected;
use ::raft::{ChangeKind, MessageKind, Write};
use member::{Effects, Input};
use types::{EntryKind, RequestId, SnapshotMark};

use super::{LogInput, Process, RaftInput, Stop, Waiting};
use crate::bug::Bug;
use crate::sim::{Part, Sim};

impl Process {
    /// A heartbeat interval has passed by this member's clock.
    pub(super) fn tick(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        if !sim.has(Bug::NeverCampaign) {
            self.member.handle(Input::Tick);
        }
        let next = sim.clocks[self.slot].truly(sim.plan.tick);
        self.wake_in(next, Part::Tick, sim);
        self.carry_out(sim)
    }

    /// Takes what waits.
    pub(super) fn turn_raft(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        let batch = std::mem::take(&mut self.raft_in);
        let (mut proposals, mut reads) = (Vec::new(), Vec::new());
        for input in batch {
            match input {
                RaftInput::Propose(id, EntryKind::Normal, data) => proposals.push((id, data)),
                RaftInput::Propose(id, _, data) => {
                    if !proposals.is_empty() {
                        self.member
                            .handle(Input::Propose(std::mem::take(&mut proposals)));
                    }
                    self.member.handle(Input::ConfChange(id, data));
                }
                RaftInput::ProposeIn(term, id, data) => {
                    self.member.handle(Input::ProposeIn(term, vec![(id, data)]));
                }
                RaftInput::Read(id) => reads.push(id),
                RaftInput::Message(message) => self.member.handle(Input::Message(message)),
                RaftInput::Persisted(ticket) => self.member.handle(Input::Persisted(ticket)),
                RaftInput::Applied(index, changes) => {
                    let conf_changes = changes.iter().map(to_raft).collect();
                    self.member.handle(Input::Applied {
                        index,
                        conf_changes,
                    });
                }
                RaftInput::Stored(index, term) => self.member.handle(Input::Stored(index, term)),
                RaftInput::SnapshotSent(to, delivered) => {
                    self.member.handle(Input::SnapshotSent { to, delivered });
                }
                RaftInput::Gone(id) => self.member.handle(Input::Gone(id)),
                RaftInput::Removed(by) => self.member.handle(Input::Removed(by)),
                RaftInput::Transfer(to) => self.member.handle(Input::Transfer(to)),
            }
        }
        if !proposals.is_empty() {
            self.member.handle(Input::Propose(proposals));
        }
        if !reads.is_empty() {
            self.member.handle(Input::Read(reads));
        }
        self.carry_out(sim)
    }

    /// Carries out everything that is due.
    fn carry_out(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        while self.turn(sim)? {}
        Ok(())
    }

    /// Carries out what is due; whether there is more at once.
    fn turn(&mut self, sim: &mut Sim) -> Result<bool, Stop> {
        let Effects {
            write,
            messages,
            apply,
            reads,
            refused,
            mark,
            leadership,
            more,
            removed,
        } = self.member.effects();
        self.status.is_sole_leader = self.member.is_sole_leader();
        for mut message in messages {
            if message.kind == MessageKind::VoteResponse && sim.has(Bug::VoteTwice) {
                message.reject = false;
            }
            if Self::is_snapshot(&message) {
                self.send_snapshot(message, sim)?;
            } else if !self.apply.membership().is_removed(message.to) {
                sim.send(self.slot, message)?;
            }
        }
        self.write(write, mark, sim);
        if let Some(last) = apply.last() {
            if sim.has(Bug::ReadBeforeApplied) {
                self.member.handle(Input::Applied {
                    index: last.index,
                    conf_changes: Vec::new(),
                });
            }
            self.apply_in.extend(apply);
            self.wake(Part::Apply, sim);
        }
        if let Some(leadership) = leadership {
            sim.leadership(self.slot, leadership)?;
            self.leadership_changed(leadership, sim);
        }
        for id in reads {
            self.read_confirmed(id, sim);
        }
        for id in refused {
            // The client finds out by waiting.
            self.waiting.remove(&id);
        }
        if removed {
            return Err(Stop::Removed);
        }
        Ok(more)
    }

    fn write(&mut self, write: Option<Write>, mark: Option<SnapshotMark>, sim: &mut Sim) {
        if let Some(write) = write {
            // A commit index alone may be lost, and waits for the next write.
            let must_sync = write.must_sync;
            if let Some(snapshot) = &write.snapshot {
                self.begin_install(write.ticket, snapshot.mark.index);
            }
            self.log_in.push(LogInput::Write(write));
            if must_sync {
                self.wake(Part::Log, sim);
            }
        }
        if let Some(mark) = mark {
            self.log_in.push(LogInput::Mark(mark));
            self.wake(Part::Log, sim);
        }
    }

    fn leadership_changed(&mut self, leadership: member::Leadership, sim: &mut Sim) {
        (self.status.leader, self.status.term) = (leadership.leader, leadership.term);
        let now = self.lease_now(sim);
        let mut leases = self.leases.lock();
        if leadership.is_self && !leases.is_primary() {
            let extend = std::time::Duration::from_micros(sim.plan.election_timeout());
            leases.promote(now, extend);
        } else if !leadership.is_self && leases.is_primary() {
            leases.demote();
        }
        drop(leases);
        if !leadership.is_self && sim.has(Bug::ServeAfterDeposition) {
            let reads: Vec<RequestId> = self
                .waiting
                .iter()
                .filter(|(_, waiting)| matches!(waiting, Waiting::Read(..)))
                .map(|(id, _)| *id)
                .collect();
            for id in reads {
                self.read_confirmed(id, sim);
            }
        }
    }
}

/// What a committed configuration change means to consensus.
fn to_raft(change: &cluster::ConfChange) -> ::raft::ConfChange {
    let kind = match change.kind {
        cluster::ConfChangeKind::AddNode => ChangeKind::AddVoter,
        cluster::ConfChangeKind::RemoveNode => ChangeKind::Remove,
        cluster::ConfChangeKind::UpdateNode => ChangeKind::Update,
        cluster::ConfChangeKind::AddLearnerNode => ChangeKind::AddLearner,
    };
    ::raft::ConfChange {
        changes: vec![(kind, change.node)],
        ..::raft::ConfChange::default()
    }
}

/// The rejection that a failed read stands for.
pub(super) fn rejected(error: &mvcc::RangeError) -> Option<Rejected> {
    match error {
        mvcc::RangeError::Compacted { .. } => Some(Rejected::Compacted),
        mvcc::RangeError::Future { .. } => Some(Rejected::FutureRevision),
        mvcc::RangeError::Fault(_) => None,
    }
}
