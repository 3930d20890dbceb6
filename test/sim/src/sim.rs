//! What everybody in a run shares: time, chance, the network, the checkers and the trace.

use bytes::Bytes;
use cluster::Version;
use member::Leadership;
use mvcc::{RangeQuery, RangeResult};
use proto::etcdserverpb::InternalRaftRequest;
use raft::{Message, MessageKind, Ticket};
use types::{Index, LeaseId, MemberId, RequestId, Term};

use crate::bug::Bug;
use crate::check::{Leases, Ledger, Model, Moment, Reply};
use crate::clock::Clock;
use crate::network::{Network, Slot};
use crate::plan::Plan;
use crate::queue::{Queue, Time};
use crate::random::Random;
use crate::trace::Trace;
use crate::violation::Checked;

/// A question of a client, answered at most once.
pub(crate) type CallId = u64;
/// A watch stream between a client and a member.
pub(crate) type StreamId = u64;

/// By whose name something is asked; nobody has none.
pub(crate) type User = &'static str;

/// What may happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message reaches a member.
    Deliver { to: Slot, message: Box<Message> },
    /// One of the threads of a member takes its turn.
    Part { slot: Slot, life: u32, part: Part },
    /// A question reaches a member.
    Ask {
        slot: Slot,
        call: CallId,
        user: User,
        ask: Ask,
    },
    /// An answer reaches its client.
    Answer { call: CallId, answer: Answer },
    /// A client wants something.
    Client(usize),
    /// A client does not wait any longer.
    GiveUp(CallId),
    /// A watcher reaches a member.
    Open {
        slot: Slot,
        stream: StreamId,
        user: User,
        create: Box<watch::Create>,
    },
    /// A response reaches a watcher; none when the stream is broken.
    Watch {
        stream: StreamId,
        response: Option<Box<watch::Response>>,
    },
    /// A watcher without a stream looks for one.
    Watcher(usize),
    /// Something goes wrong.
    Trouble,
    /// Connections to a member are refused, as another one finds.
    Gone { slot: Slot, gone: MemberId },
    /// A member hears from another one that it was removed.
    Removed { slot: Slot, by: MemberId },
    /// A member is started.
    Start(Slot),
    /// A link or all of them, or a disk, is well again.
    Relief(Relief),
    /// The states of members are compared.
    Compare,
}

/// What is well again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Relief {
    /// All links.
    Network,
    /// The disk of a member.
    Disk(Slot),
}

/// The threads of a member, and what wakes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A heartbeat interval has passed.
    Tick,
    /// The raft thread has something to take.
    Raft,
    /// The log thread has something to take.
    Log,
    /// A write of the log is durable.
    Persisted(Ticket),
    /// The apply thread has something to take.
    Apply,
    /// What was applied goes to the store.
    Commit,
    /// The store thread has something to take.
    Store,
    /// The store holds everything up to here.
    Stored(Index, Term),
    /// A step of a compaction.
    Compact,
    /// A step of giving space back.
    Reclaim,
    /// The keeper looks around.
    Keeper,
    /// A step of preparing the next segment.
    Prepare,
    /// The watch streams have something to send.
    Pump,
    /// A snapshot was delivered, or failed.
    SnapshotSent(MemberId, bool),
    /// The database of a received snapshot is durable.
    Received,
}

/// What a client asks of a member.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// A request for the log.
    Write(Box<InternalRaftRequest>),
    /// A change of the members.
    Change(Box<cluster::Change>),
    /// A read, linearizable or not.
    Range(RangeQuery, bool),
    /// A lease is to live on.
    KeepAlive(LeaseId),
    /// Another member is to lead.
    Transfer(MemberId),
    /// The cluster is to be made ready for older members, or is not to be any more.
    Downgrade(bool),
}

/// What a member answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The request was applied.
    Applied {
        id: RequestId,
        reply: Reply,
        revision: i64,
    },
    /// The change of the members was applied, or refused.
    Changed(bool),
    /// A read, by a member that had applied so much.
    Range {
        applied: Index,
        result: Result<RangeResult, apply::Rejected>,
    },
    /// The lease has so long to live.
    Renewed(i64),
    /// Nothing; the request may have been carried out.
    Failed,
}

/// The shared state of a run.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) now: Time,
    pub(crate) queue: Queue<Event>,
    pub(crate) random: Random,
    pub(crate) network: Network,
    pub(crate) ledger: Ledger,
    pub(crate) leases: Leases,
    pub(crate) trace: Trace,
    pub(crate) plan: Plan,
    pub(crate) bug: Option<Bug>,
    pub(crate) clocks: Vec<Clock>,
    /// What each member says of its version; nothing while it does not run.
    pub(crate) versions: Vec<Option<Version>>,
    /// Runs as fast as the fastest of them, and jumps when any of them does.
    fastest: Clock,
    requests: u64,
}

impl Sim {
    pub(crate) fn new(plan: Plan, random: Random, bug: Option<Bug>, lines: usize) -> Self {
        Self {
            now: 0,
            queue: Queue::default(),
            random,
            network: Network::new(plan.link_delay),
            ledger: Ledger::new(Model::new(plan.leases.ttl_seconds_min)),
            leases: Leases::new(plan.leases.checkpoint_every.is_some()),
            trace: Trace::new(lines),
            plan,
            bug,
            clocks: Vec::new(),
            versions: Vec::new(),
            fastest: Clock::default(),
            requests: 0,
        }
    }

    /// Whether this bug is planted, and its moment has come.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this bug is planted and shows this time: so many times in a hundred.
    pub(crate) fn strikes(&mut self, bug: Bug, percent: u64) -> bool {
        self.has(bug) && self.random.percent(percent)
    }

    /// An id that no request had before, of this member or another.
    pub(crate) fn next_id(&mut self, member: MemberId) -> RequestId {
        self.requests += 1;
        RequestId((member.0 & 0xffff) << 48 | self.requests)
    }

    /// The clock of a member.
    pub(crate) fn clock(&self, slot: Slot) -> Time {
        self.clocks[slot].at(self.now)
    }

    /// The clocks of all members.
    pub(crate) fn all_clocks(&self) -> Moment {
        Moment {
            clocks: self.clocks.iter().map(|clock| clock.at(self.now)).collect(),
            fastest: self.fastest.at(self.now),
        }
    }

    /// A member's clock runs at another rate from now on, or jumps.
    pub(crate) fn disturb_clock(&mut self, slot: Slot, rate: Option<u64>, jump: Time) {
        let now = self.now;
        for clock in [&mut self.clocks[slot], &mut self.fastest] {
            clock.jump(now, jump);
        }
        if let Some(rate) = rate {
            self.clocks[slot].set_rate(now, rate);
        }
        let fastest = self.clocks.iter().map(Clock::rate).max();
        self.fastest.set_rate(now, fastest.unwrap_or(0));
    }

    /// What a member says of its version to another one, if it can.
    pub(crate) fn version(&self, to: Slot, of: MemberId) -> Option<Version> {
        let of = self.network.slot(of)?;
        let is_reached = self.network.carries(to, of) && self.network.carries(of, to);
        self.versions[of].filter(|_| is_reached)
    }

    /// Sends a message on its way, as far as the network lets it.
    pub(crate) fn send(&mut self, from: Slot, message: Message) -> Checked {
        if message.kind == MessageKind::VoteResponse && !message.reject {
            self.ledger.votes(message.term, message.from, message.to)?;
        }
        let Some(to) = self.network.slot(message.to) else {
            return Ok(());
        };
        let times = self.network.arrivals(from, to, &message, &mut self.random);
        self.trace.digest((
            self.now,
            from,
            to,
            message.kind.to_wire(),
            (message.term.0, message.index.0, message.commit.0),
            message.entries.len(),
            times.len(),
        ));
        let now = self.now;
        self.trace
            .line(now, || describe(from, to, &message, times.len()));
        for delay in times {
            let message = Box::new(message.clone());
            self.queue.push(now + delay, Event::Deliver { to, message });
        }
        Ok(())
    }

    /// Answers a client.
    pub(crate) fn answer(&mut self, call: CallId, answer: Answer) {
        let delay = self.network.delay(&mut self.random);
        self.queue
            .push(self.now + delay, Event::Answer { call, answer });
    }

    /// A member has heard of a new leader.
    pub(crate) fn leadership(&mut self, slot: Slot, leadership: Leadership) -> Checked {
        let Leadership {
            leader,
            term,
            is_self,
        } = leadership;
        self.trace.digest((self.now, slot, leader.0, term.0));
        let now = self.now;
        self.trace.line(now, || match is_self {
            true => format!("{slot} leads term {term}"),
            false => format!("{slot} follows {leader} in term {term}"),
        });
        if is_self {
            self.ledger.leads(slot, term)?;
        }
        Ok(())
    }

    /// The plan as the first line.
    pub(crate) fn line_of_plan(&mut self) {
        let text = self.trace.wants_text().then(|| format!("{:?}", self.plan));
        if let Some(text) = text {
            self.line(|| text);
        }
    }

    /// A line of the trace.
    pub(crate) fn line(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        self.trace.line(now, text);
    }
}

fn describe(from: Slot, to: Slot, message: &Message, copies: usize) -> String {
    let first = message.entries.first().map(|entry| entry.index.0);
    format!(
        "{from}->{to} {:?} term {} index {} ({}) commit {} entries {first:?}+{}{}{}",
        message.kind,
        message.term,
        message.index,
        message.log_term,
        message.commit,
        message.entries.len(),
        if message.reject { " rejected" } else { "" },
        match copies {
            0 => " LOST",
            1 => "",
            _ => " DOUBLED",
        }
    )
}

/// Bytes of a short text.
pub(crate) fn bytes(text: String) -> Bytes {
    Bytes::from(text.into_bytes())
}
