//! The end: the troubles stop, and then everything must work within bounded time.

use disk::{Crash, Faults};

use super::World;
use crate::client::Errand;
use crate::network::Slot;
use crate::queue::{SECOND, Time};
use crate::sim::Event;
use crate::violation::{Checked, Violation};

/// How long everything may take to work again.
const CALM_MAX: Time = 40 * SECOND;

impl World {
    /// From now on nothing goes wrong any more.
    pub(super) fn calm_down(&mut self) -> Checked {
        self.calm_since = Some(self.sim.now);
        self.sim.line(|| "the troubles end".to_owned());
        self.sim.network.heal();
        for slot in 0..self.nodes.len() {
            let now = self.sim.now;
            self.sim.disturb_clock(slot, Some(1_000_000), 0);
            let node = &mut self.nodes[slot];
            node.paused_until = 0;
            if node.is_disk_bad {
                node.disk.set_faults(Faults::default());
                // It may have noticed already, and then has only to be started.
                if node.process.is_some() {
                    self.end(slot, Crash::KeepAll, "is restarted");
                }
            }
            if let Some(process) = &mut self.nodes[slot].process {
                process.slowness = 0;
            }
            self.sim.queue.push(now, Event::Start(slot));
        }
        self.start_joined();
        for client in 0..self.clients.len() {
            self.clients[client].errands = Vec::new();
        }
        for slot in self.expected() {
            let client = slot % self.clients.len();
            let errands = &mut self.clients[client].errands;
            errands.extend([Errand::Put(slot), Errand::Get(slot)]);
        }
        for client in 0..self.clients.len() {
            self.sim.queue.push(self.sim.now, Event::Client(client));
        }
        Ok(())
    }

    /// A change of the members holds from its application on: until then, members that it removed
    /// and that have stopped already may be needed to commit it again. Their operator starts them.
    fn start_needed(&mut self) {
        let Some((_, membership)) = self.newest_membership() else {
            return;
        };
        let needed: Vec<Slot> = (0..self.nodes.len())
            .filter(|slot| {
                let node = &self.nodes[*slot];
                let is_lost = node.is_damaged || node.life == 0;
                !node.is_wanted && !is_lost && membership.member(node.identity.id).is_some()
            })
            .collect();
        for slot in needed {
            self.nodes[slot].is_wanted = true;
            self.start_later(slot);
        }
    }

    /// A change of the members that was under way when the calm began may end one of them.
    fn drop_errands(&mut self) {
        let expected = self.expected();
        for client in &mut self.clients {
            client.errands.retain(|errand| {
                let (Errand::Put(slot) | Errand::Get(slot)) = errand;
                expected.contains(slot)
            });
        }
    }

    /// Who is to run and to have everything in the end.
    fn expected(&self) -> Vec<Slot> {
        let membership = self.newest_membership().map(|(_, membership)| membership);
        let is_member = |slot: &Slot| match membership {
            Some(membership) => membership
                .member(self.nodes[*slot].identity.id)
                .is_some_and(|member| !member.is_learner),
            None => self.nodes[*slot].is_wanted,
        };
        let is_whole = |slot: &Slot| !self.nodes[*slot].is_damaged || self.nodes[*slot].is_wanted;
        (0..self.nodes.len())
            .filter(is_member)
            .filter(is_whole)
            .collect()
    }

    /// Whether the run is over, or lasts too long.
    pub(super) fn check_calm(&mut self) -> Checked {
        let Some(since) = self.calm_since else {
            return Ok(());
        };
        if self.sim.now < since + SECOND / 10 {
            return Ok(());
        }
        self.start_needed();
        self.drop_errands();
        match self.missing() {
            None => self.finish(),
            Some(missing) if self.sim.now > since + CALM_MAX => {
                Err(Violation::new("liveness", missing))
            }
            Some(_) => Ok(()),
        }
    }

    /// What is still to come.
    fn missing(&self) -> Option<String> {
        for (n, client) in self.clients.iter().enumerate() {
            if let Some(errand) = client.errands.first() {
                return Some(format!("client {n} does not succeed with {errand:?}"));
            }
        }
        let last = self.sim.ledger.last();
        for slot in self.expected() {
            let process = self.nodes[slot].process.as_ref();
            let applied = process.map(|process| process.apply.applied());
            if applied != Some(last) {
                return Some(format!("member {slot} has applied {applied:?} of {last}"));
            }
        }
        let model = &self.sim.ledger.model;
        if let Some((lease, ttl)) = model.leases().next() {
            return Some(format!("lease {lease:x} of {ttl} s does not end"));
        }
        if let Some(what) = self.undecided() {
            return Some(what);
        }
        let incomplete = |watcher: &&crate::client::Watcher| !watcher.watched.is_complete(model);
        if let Some(watcher) = self.watchers.iter().find(incomplete) {
            let next = watcher.watched.next;
            return Some(format!("a watcher waits for revision {next}"));
        }
        None
    }

    /// Everything works: the states of all members are equal.
    fn finish(&mut self) -> Checked {
        for slot in 0..self.nodes.len() {
            self.hash(slot)?;
        }
        self.is_over = true;
        Ok(())
    }
}
