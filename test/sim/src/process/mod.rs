//! A running member: the shell around the machines, as a handful of parts that take turns.
//!
//! The counterpart of `server`'s engine. Where the server has a thread with an inbox, there is a
//! part here that is called some time after something was put into its inbox, and takes all of it.
//! A disk operation is done at once; that it is done is told later.

mod apply;
mod boot;
mod keeper;
mod log;
mod raft;
mod rights;
mod serve;
mod snapshot;
mod store;
mod versions;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ::apply::{Apply, SharedLeases};
use ::auth::AuthState;
use ::raft::{Ticket, Write};
use bytes::Bytes;
use disk::{Dir, MemDir};
use member::Member;
use mvcc::{Pending, RangeQuery, Reader};
use types::{ClusterId, Entry, EntryKind, Index, LeaseId, MemberId, RequestId, SnapshotMark, Term};
use wal::{Preparer, Wal};

use crate::network::Slot;
use crate::queue::Time;
use crate::sim::{CallId, Event, Part, Sim, StreamId, User};
use crate::violation::Violation;

pub(crate) use boot::Identity;
use snapshot::Installing;
pub(crate) use versions::OLD;
use watch::Connection;

/// Why a member does not run any more.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Its disk failed it; whether the disk was made to is for others to say.
    Fault(String),
    /// It is no member any more.
    Removed,
    /// It broke a promise.
    Violation(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// A fault with all its causes.
pub(crate) fn fault(error: impl std::error::Error) -> Stop {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Stop::Fault(text)
}

/// What the raft part is told.
#[derive(Debug)]
enum RaftInput {
    Propose(RequestId, EntryKind, Bytes),
    ProposeIn(Term, RequestId, Bytes),
    Read(RequestId),
    Message(Box<::raft::Message>),
    Persisted(Ticket),
    Applied(Index, Vec<cluster::ConfChange>),
    Stored(Index, Term),
    SnapshotSent(MemberId, bool),
    Transfer(MemberId),
    Gone(MemberId),
    Removed(MemberId),
}

/// What the log part is asked.
#[derive(Debug)]
enum LogInput {
    Write(Write),
    Mark(SnapshotMark),
    Purge(usize),
}

/// Who waits for a request.
#[derive(Debug)]
enum Waiting {
    Write(CallId),
    Change(CallId),
    Read(CallId, User, RangeQuery),
    Renew(CallId, User, LeaseId),
    Downgrade(CallId, bool),
    /// The keeper's own, which nobody waits for: leases whose time is up by the deadlines of a term.
    Expire(Term, Vec<LeaseId>),
}

/// What the parts know of consensus.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    pub(crate) leader: MemberId,
    pub(crate) term: Term,
    pub(crate) is_sole_leader: bool,
}

/// A running member.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) slot: Slot,
    pub(crate) id: MemberId,
    pub(crate) life: u32,
    cluster: ClusterId,
    disk: MemDir,
    member: Member,
    wal: Wal,
    wal_dir: Arc<dyn Dir>,
    preparer: Preparer,
    pub(crate) apply: Apply,
    pub(crate) reader: Reader,
    /// Users and roles, as the readers know them.
    rights: AuthState,
    store: ::store::Store,
    leases: SharedLeases,
    hub: Arc<::watch::Hub>,
    raft_in: Vec<RaftInput>,
    log_in: Vec<LogInput>,
    apply_in: VecDeque<Entry>,
    store_in: VecDeque<Pending>,
    /// Parts that have a turn coming.
    due: BTreeSet<&'static str>,
    /// The log part is busy until then.
    log_busy_until: Time,
    /// A write that was acknowledged and not made; only a planted bug does that.
    unwritten: Vec<LogInput>,
    pub(crate) status: Status,
    waiting: BTreeMap<RequestId, Waiting>,
    streams: BTreeMap<StreamId, Connection>,
    published: i64,
    /// A snapshot whose database is being made ready.
    receiving: Option<Box<::raft::Message>>,
    /// A snapshot that waits for the log.
    installing: Option<Installing>,
    /// How much longer the disk takes than usual.
    pub(crate) slowness: Time,
}

impl Process {
    /// A part takes its turn.
    pub(crate) fn part(&mut self, part: Part, sim: &mut Sim) -> Result<(), Stop> {
        if let Some(name) = name(part) {
            self.due.remove(name);
        }
        match part {
            Part::Tick => self.tick(sim),
            Part::Raft => self.turn_raft(sim),
            Part::Log => self.turn_log(sim),
            Part::Persisted(ticket) => {
                self.tell_raft(RaftInput::Persisted(ticket), sim);
                self.install_when_durable(ticket, sim)
            }
            Part::Apply => self.turn_apply(sim),
            Part::Commit => {
                self.commit(sim);
                Ok(())
            }
            Part::Store => self.turn_store(sim),
            Part::Stored(index, term) => {
                self.tell_raft(RaftInput::Stored(index, term), sim);
                Ok(())
            }
            Part::Compact => self.compact(sim),
            Part::Reclaim => self.reclaim(sim),
            Part::Keeper => self.turn_keeper(sim),
            Part::Prepare => self.prepare(sim),
            Part::Pump => self.pump(sim),
            Part::SnapshotSent(to, delivered) => {
                self.tell_raft(RaftInput::SnapshotSent(to, delivered), sim);
                Ok(())
            }
            Part::Received => self.received(sim),
        }
    }

    /// A message of a peer; what a removed one says is not heard.
    pub(crate) fn deliver(
        &mut self,
        message: Box<::raft::Message>,
        sim: &mut Sim,
    ) -> Result<(), Stop> {
        if self.apply.membership().is_removed(message.from) {
            return Ok(());
        }
        if Self::is_snapshot(&message) {
            return self.receive(message, sim);
        }
        self.tell_raft(RaftInput::Message(message), sim);
        Ok(())
    }

    /// Connections to another member are refused.
    pub(crate) fn gone(&mut self, id: MemberId, sim: &mut Sim) {
        self.tell_raft(RaftInput::Gone(id), sim);
    }

    /// Another member says that this one was removed.
    pub(crate) fn removed(&mut self, by: MemberId, sim: &mut Sim) {
        self.tell_raft(RaftInput::Removed(by), sim);
    }

    fn tell_raft(&mut self, input: RaftInput, sim: &mut Sim) {
        self.raft_in.push(input);
        self.wake(Part::Raft, sim);
    }

    /// A part is to take its turn soon, unless it has one coming.
    fn wake(&mut self, part: Part, sim: &mut Sim) {
        let delay = sim.random.between(1, sim.plan.thread_delay);
        self.wake_in(delay, part, sim);
    }

    fn wake_in(&mut self, delay: Time, part: Part, sim: &mut Sim) {
        let is_new = name(part).is_none_or(|name| self.due.insert(name));
        if is_new {
            let (slot, life) = (self.slot, self.life);
            let event = Event::Part { slot, life, part };
            sim.queue.push(sim.now + delay, event);
        }
    }

    /// How long a disk operation takes.
    fn disk_time(&self, sim: &mut Sim) -> Time {
        sim.random
            .between(sim.plan.sync_time.0, sim.plan.sync_time.1)
            + self.slowness
    }

    /// The calls that somebody waits for.
    pub(crate) fn calls(&self) -> Vec<CallId> {
        let call = |waiting: &Waiting| match waiting {
            Waiting::Write(call)
            | Waiting::Change(call)
            | Waiting::Read(call, ..)
            | Waiting::Renew(call, ..)
            | Waiting::Downgrade(call, _) => Some(*call),
            Waiting::Expire(..) => None,
        };
        self.waiting.values().filter_map(call).collect()
    }

    /// The open watch streams.
    pub(crate) fn stream_ids(&self) -> Vec<StreamId> {
        self.streams.keys().copied().collect()
    }
}

/// Parts that have at most one turn coming, by name.
fn name(part: Part) -> Option<&'static str> {
    Some(match part {
        Part::Raft => "raft",
        Part::Log => "log",
        Part::Apply => "apply",
        Part::Commit => "commit",
        Part::Store => "store",
        Part::Compact => "compact",
        Part::Reclaim => "reclaim",
        Part::Pump => "pump",
        Part::Tick
        | Part::Keeper
        | Part::Prepare
        | Part::Persisted(_)
        | Part::Stored(..)
        | Part::SnapshotSent(..)
        | Part::Received => {
            return None;
        }
    })
}
