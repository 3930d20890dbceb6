//! The run: takes one event after the other until the end, or until a promise is broken.

mod calls;
mod calm;
mod nodes;
mod trouble;
mod upgrade;

use std::collections::BTreeMap;

use types::ClusterId;

use crate::bug::Bug;
use crate::client::{Call, Client, Known, Watcher, Workload};
use crate::plan::Plan;
use crate::queue::{MS, Time};
use crate::random::Random;
use crate::sim::{CallId, Event, Relief, Sim, StreamId};
use crate::violation::{Checked, Violation};
use nodes::Node;

/// Events after which a run that does not end by itself is given up.
const EVENTS_MAX: u64 = 3_000_000;

/// Everything that a run consists of.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) sim: Sim,
    nodes: Vec<Node>,
    cluster: ClusterId,
    clients: Vec<Client>,
    watchers: Vec<Watcher>,
    calls: BTreeMap<CallId, Call>,
    streams: BTreeMap<StreamId, usize>,
    workload: Workload,
    known: Known,
    numbers: u64,
    /// When the troubles ended.
    calm_since: Option<Time>,
    is_over: bool,
}

impl World {
    /// The run of a seed, before anything has happened.
    pub(crate) fn new(seed: u64, bug: Option<Bug>, lines: usize) -> Checked<Self> {
        let mut random = Random::new(seed);
        let plan = Plan::new(seed, &mut random);
        let workload = Workload {
            keys: plan.keys,
            has_users: plan.extras.auth,
            ttl_seconds: plan.ttl_seconds,
        };
        let mut watchers = Vec::new();
        for _ in 0..plan.watchers {
            watchers.push(Watcher::new(&workload, &mut random));
        }
        let clients = (0..plan.clients).map(|_| Client::default()).collect();
        let mut world = Self {
            sim: Sim::new(plan, random, bug, lines),
            nodes: Vec::new(),
            cluster: ClusterId(0),
            clients,
            watchers,
            calls: BTreeMap::new(),
            streams: BTreeMap::new(),
            workload,
            known: Known::default(),
            numbers: 0,
            calm_since: None,
            is_over: false,
        };
        world.sim.line_of_plan();
        world.add_first_members()?;
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        let sim = &mut self.sim;
        for client in 0..self.clients.len() {
            let at = sim.random.below(300 * MS);
            sim.queue.push(at, Event::Client(client));
        }
        for watcher in 0..self.watchers.len() {
            let at = sim.random.below(500 * MS);
            sim.queue.push(at, Event::Watcher(watcher));
        }
        sim.queue.push(sim.plan.trouble_every, Event::Trouble);
        sim.queue.push(200 * MS, Event::Compare);
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) -> Checked {
        let mut events = 0;
        while !self.is_over {
            let Some((at, event)) = self.sim.queue.pop() else {
                return Err(Violation::new("liveness", "nothing happens any more"));
            };
            events += 1;
            if events > EVENTS_MAX {
                return Err(Violation::new("liveness", "the run does not end"));
            }
            self.sim.now = at;
            self.happen(event)?;
            self.check_calm()?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Deliver { to, message } => {
                self.on_node(to, Event::Deliver { to, message })?;
            }
            Event::Part { slot, life, part } => {
                self.on_node(slot, Event::Part { slot, life, part })?;
            }
            Event::Ask {
                slot,
                call,
                user,
                ask,
            } => self.on_node(
                slot,
                Event::Ask {
                    slot,
                    call,
                    user,
                    ask,
                },
            )?,
            Event::Gone { slot, gone } => self.on_node(slot, Event::Gone { slot, gone })?,
            Event::Removed { slot, by } => self.on_node(slot, Event::Removed { slot, by })?,
            Event::Open {
                slot,
                stream,
                user,
                create,
            } => self.on_node(
                slot,
                Event::Open {
                    slot,
                    stream,
                    user,
                    create,
                },
            )?,
            Event::Answer { call, answer } => self.answer(call, &answer)?,
            Event::Client(client) => self.client_asks(client),
            Event::GiveUp(call) => self.give_up(call),
            Event::Watch { stream, response } => self.watch(stream, response)?,
            Event::Watcher(watcher) => self.open_stream(watcher),
            Event::Trouble => self.trouble()?,
            Event::Start(slot) => self.start(slot)?,
            Event::Relief(Relief::Network) => {
                self.sim.network.heal();
                self.sim.line(|| "the network is well".to_owned());
            }
            Event::Relief(Relief::Disk(slot)) => self.relieve_disk(slot),
            Event::Compare => self.compare()?,
        }
        Ok(())
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}
