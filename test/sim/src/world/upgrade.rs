//! Members of different versions, the operator who replaces them, and the news that one is gone.

use cluster::{Version, Versions};
use disk::Crash;

use super::World;
use crate::check::ROOT;
use crate::network::Slot;
use crate::process::OLD;
use crate::sim::{Ask, Event};

/// The version of new members.
pub(super) const NEW: Version = Version::minor(3, 7);

impl World {
    /// What one of the first members says to be: now and then the cluster is not upgraded yet.
    pub(super) fn first_version(&mut self) -> Version {
        match self.sim.plan.extras.versions && self.sim.random.percent(40) {
            true => old(),
            false => NEW,
        }
    }

    /// The operator replaces a member's program: by a newer one at any time, by an older one when
    /// the cluster is ready for it.
    pub(super) fn change_version(&mut self, slot: Slot) {
        let membership = self.newest_membership().map(|(_, membership)| membership);
        let cluster = membership.and_then(cluster::Membership::version);
        let node = &mut self.nodes[slot];
        node.version = match node.version == NEW && cluster.is_some_and(|now| now <= old()) {
            true => old(),
            false => NEW,
        };
        if node.process.is_some() {
            self.end(slot, Crash::KeepAll, "gets another program");
            self.start_later(slot);
        }
    }

    /// The operator asks for older members, or thinks better of it.
    pub(super) fn downgrade(&mut self, slot: Slot) {
        let enabled = self.sim.random.percent(60);
        self.ask(None, slot, ROOT, Ask::Downgrade(enabled));
    }

    /// In the end the members must have come to a version, and to the end of a downgrade.
    pub(super) fn undecided(&self) -> Option<String> {
        let (_, membership) = self.newest_membership()?;
        if !self.sim.plan.extras.versions {
            return None;
        }
        let said = membership.members().map(|member| {
            let slot = self.sim.network.slot(member.id);
            (member.id, slot.and_then(|slot| self.sim.versions[slot]))
        });
        let said: Versions = said.collect();
        let is_open = membership.decide_version(&said).is_some() || membership.is_downgraded(&said);
        is_open.then(|| format!("members of {said:?} do not settle: {membership:?}"))
    }

    /// Where a member ended, connections are refused from then on; some of the others notice.
    pub(super) fn spread_news(&mut self, ended: Slot) {
        let sim = &mut self.sim;
        if !sim.plan.extras.news {
            return;
        }
        let gone = self.nodes[ended].identity.id;
        for slot in (0..self.nodes.len()).filter(|slot| *slot != ended) {
            let is_reached = sim.network.carries(slot, ended) && sim.network.carries(ended, slot);
            if is_reached && sim.random.percent(80) {
                let at = sim.now + sim.network.delay(&mut sim.random);
                sim.queue.push(at, Event::Gone { slot, gone });
            }
        }
    }

    /// Members that were removed look for the others again and again, and are told by those who know.
    pub(super) fn tell_removed(&mut self) {
        let now = self.sim.now;
        for by in 0..self.nodes.len() {
            let Some(teller) = &self.nodes[by].process else {
                continue;
            };
            if self.nodes[by].paused_until > now {
                continue;
            }
            for slot in 0..self.nodes.len() {
                let Some(process) = &self.nodes[slot].process else {
                    continue;
                };
                let network = &self.sim.network;
                let is_reached = network.carries(slot, by) && network.carries(by, slot);
                // A new member knows its peers before it has heard anything.
                let membership = process.apply.membership();
                let is_peer =
                    membership.members().next().is_none() || membership.member(teller.id).is_some();
                let is_removed = teller.apply.membership().is_removed(process.id);
                if is_reached && is_peer && is_removed {
                    let by = teller.id;
                    self.sim.queue.push(now, Event::Removed { slot, by });
                }
            }
        }
    }

    /// A port refuses connections although its member is well.
    pub(super) fn spread_false_news(&mut self, slot: Slot) {
        let other = self.sim.random.index(self.nodes.len());
        let gone = self.nodes[other].identity.id;
        self.sim.line(|| format!("{slot} takes {other} to be gone"));
        self.sim
            .queue
            .push(self.sim.now, Event::Gone { slot, gone });
    }
}

fn old() -> Version {
    OLD.parse().unwrap_or(NEW)
}
