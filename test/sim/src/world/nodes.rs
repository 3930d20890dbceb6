//! Members and their machines: starting, stopping, losing power.

use std::collections::BTreeMap;

use cluster::{Bootstrap, Membership, Version};
use disk::{Crash, Faults, MemDir};
use types::{Index, MemberId};

use super::World;
use super::upgrade::NEW;
use crate::clock::Clock;
use crate::network::Slot;
use crate::process::{Identity, Process, Stop};
use crate::queue::{MS, Time};
use crate::sim::{Answer, Event};
use crate::violation::{Checked, Violation};

/// A machine with a disk, and the member on it while it runs.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) disk: MemDir,
    pub(crate) process: Option<Process>,
    pub(crate) life: u32,
    pub(crate) paused_until: Time,
    /// Whether the disk was made to fail.
    pub(crate) is_disk_bad: bool,
    /// Whether it is started again when it has stopped.
    pub(crate) is_wanted: bool,
    /// Whether a bit of its log was changed: it may refuse to start, for ever.
    pub(crate) is_damaged: bool,
    /// The version that it says to be, once it is started again.
    pub(crate) version: Version,
}

impl World {
    /// The members that the cluster begins with.
    pub(super) fn add_first_members(&mut self) -> Checked {
        let urls = (0..self.sim.plan.members).map(|slot| (format!("m{slot}"), vec![url(slot)]));
        let initial: BTreeMap<String, Vec<String>> = urls.collect();
        let bootstrap = Bootstrap::new(&initial, "sim")
            .map_err(|error| Violation::new("start", error.to_string()))?;
        self.cluster = bootstrap.cluster_id;
        for slot in 0..self.sim.plan.members {
            let name = format!("m{slot}");
            let id = bootstrap.member(&name).map_or(MemberId::NONE, |m| m.id);
            self.add_node(id, Some(bootstrap.clone()));
            let at = self.sim.random.below(50 * MS);
            self.nodes[slot].is_wanted = true;
            self.nodes[slot].version = self.first_version();
            self.sim.queue.push(at, Event::Start(slot));
        }
        Ok(())
    }

    /// A machine for a member; it is not started.
    pub(super) fn add_node(&mut self, id: MemberId, initial: Option<Bootstrap>) -> Slot {
        let slot = self.nodes.len();
        self.sim.network.add(id, slot);
        self.sim.clocks.push(Clock::default());
        self.nodes.push(Node {
            identity: Identity {
                slot,
                id,
                cluster: self.cluster,
                initial,
            },
            disk: MemDir::new(),
            process: None,
            life: 0,
            paused_until: 0,
            is_disk_bad: false,
            is_wanted: false,
            is_damaged: false,
            version: NEW,
        });
        self.sim.versions.push(None);
        slot
    }

    /// Starts a member, unless it runs or is not wanted any more.
    pub(super) fn start(&mut self, slot: Slot) -> Checked {
        let node = &mut self.nodes[slot];
        if node.process.is_some() || !node.is_wanted {
            return Ok(());
        }
        node.life += 1;
        let started = Process::start(&node.identity, node.life, &node.disk, &mut self.sim);
        match started {
            Ok(process) => {
                node.process = Some(process);
                self.sim.versions[slot] = Some(node.version);
                Ok(())
            }
            Err(stop) => self.stopped(slot, stop),
        }
    }

    /// Something happens to a member, if it is there to notice.
    pub(super) fn on_node(&mut self, slot: Slot, event: Event) -> Checked {
        let node = &mut self.nodes[slot];
        if node.paused_until > self.sim.now {
            self.sim.queue.push(node.paused_until, event);
            return Ok(());
        }
        let Some(process) = &mut node.process else {
            self.nobody_there(event);
            return Ok(());
        };
        let sim = &mut self.sim;
        let outcome = match event {
            Event::Deliver { message, .. } => process.deliver(message, sim),
            Event::Part { life, part, .. } if life == process.life => process.part(part, sim),
            Event::Ask {
                call, user, ask, ..
            } => process.ask(call, user, ask, sim),
            Event::Gone { gone, .. } => {
                process.gone(gone, sim);
                Ok(())
            }
            Event::Removed { by, .. } => {
                process.removed(by, sim);
                Ok(())
            }
            Event::Open {
                stream,
                user,
                create,
                ..
            } => {
                process.open(stream, user, *create, sim);
                Ok(())
            }
            _ => Ok(()),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(stop) => self.stopped(slot, stop),
        }
    }

    /// A connection is refused.
    fn nobody_there(&mut self, event: Event) {
        match event {
            Event::Ask { call, .. } => self.sim.answer(call, Answer::Failed),
            Event::Open { stream, .. } => self.break_stream(stream),
            _ => {}
        }
    }

    pub(super) fn break_stream(&mut self, stream: u64) {
        let at = self.sim.now + self.sim.random.between(1, 50) * MS;
        let response = None;
        self.sim.queue.push(at, Event::Watch { stream, response });
    }

    /// A member has stopped by itself.
    fn stopped(&mut self, slot: Slot, stop: Stop) -> Checked {
        match stop {
            Stop::Violation(violation) => Err(violation),
            Stop::Removed => {
                self.nodes[slot].is_wanted = false;
                self.end(slot, Crash::KeepAll, "was removed");
                Ok(())
            }
            Stop::Fault(text) => {
                let what = format!("member {slot} cannot go on: {text}");
                if self.nodes[slot].is_damaged && text.contains("damaged") {
                    self.sim.line(|| what);
                    self.nodes[slot].is_wanted = false;
                    return Ok(());
                }
                if !self.nodes[slot].is_disk_bad {
                    return Err(Violation::new("members run", what));
                }
                let crash = match text.contains("power loss") {
                    true => Crash::Seeded(self.sim.random.next()),
                    false => Crash::KeepAll,
                };
                self.sim.line(|| what);
                self.end(slot, crash, "has stopped");
                self.start_later(slot);
                Ok(())
            }
        }
    }

    /// The member's process ends; the disk is what a power loss, or the end of the process alone,
    /// leaves of it.
    pub(super) fn end(&mut self, slot: Slot, crash: Crash, why: &str) {
        let node = &mut self.nodes[slot];
        self.sim.trace.digest((self.sim.now, slot, node.life));
        self.sim.line(|| format!("{slot} {why} ({crash:?})"));
        let (mut calls, mut streams) = (Vec::new(), Vec::new());
        if let Some(process) = node.process.take() {
            (calls, streams) = (process.calls(), process.stream_ids());
        }
        node.disk = node.disk.crash(crash);
        node.is_disk_bad = false;
        self.sim.versions[slot] = None;
        self.spread_news(slot);
        // Who waits sees the connection break.
        for call in calls {
            self.sim.answer(call, Answer::Failed);
        }
        for stream in streams {
            self.break_stream(stream);
        }
    }

    /// It is started again after a while.
    pub(super) fn start_later(&mut self, slot: Slot) {
        let at = self.sim.now + self.sim.random.between(10, 1500) * MS;
        self.sim.queue.push(at, Event::Start(slot));
    }

    /// The disk works again.
    pub(super) fn relieve_disk(&mut self, slot: Slot) {
        let node = &mut self.nodes[slot];
        node.disk.set_faults(Faults::default());
        if let Some(process) = &mut node.process {
            process.slowness = 0;
        }
        self.sim.line(|| format!("the disk of {slot} is well"));
    }

    /// Compares the state of some member with that of the others at the same revision.
    pub(super) fn compare(&mut self) -> Checked {
        self.start_joined();
        self.tell_removed();
        let slot = self.sim.random.index(self.nodes.len());
        self.hash(slot)?;
        let pause = self.sim.random.between(50, 500) * MS;
        let at = self.sim.now + pause;
        self.sim.queue.push(at, Event::Compare);
        Ok(())
    }

    pub(super) fn hash(&mut self, slot: Slot) -> Checked {
        if let Some(process) = &self.nodes[slot].process {
            let hash = process
                .reader
                .hash_kv(0)
                .map_err(|error| Violation::new("members run", error.to_string()))?;
            self.sim.trace.digest((slot, hash.hash, hash.hash_revision));
            self.sim.ledger.hash(slot, hash)?;
        }
        Ok(())
    }

    /// The members as whoever has come farthest knows them, of those that think to be members.
    pub(super) fn newest_membership(&self) -> Option<(Index, &Membership)> {
        let running = self.nodes.iter().filter_map(|node| node.process.as_ref());
        let newest = running.max_by_key(|process| {
            let is_member = process.apply.membership().member(process.id).is_some();
            (is_member, process.apply.applied())
        })?;
        Some((newest.apply.applied(), newest.apply.membership()))
    }

    /// Members that were added are started once somebody knows of them.
    pub(super) fn start_joined(&mut self) {
        let Some((_, membership)) = self.newest_membership() else {
            return;
        };
        let new: Vec<Slot> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.life == 0 && !node.is_wanted)
            .filter(|(_, node)| membership.member(node.identity.id).is_some())
            .map(|(slot, _)| slot)
            .collect();
        for slot in new {
            self.nodes[slot].is_wanted = true;
            self.start_later(slot);
        }
    }
}

/// Where a member's peers reach it.
pub(super) fn url(slot: Slot) -> String {
    format!("http://m{slot}:2380")
}
