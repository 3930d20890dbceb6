//! What goes wrong.

use cluster::{Change, Member};
use disk::{Crash, Dir, Faults, OpenMode};

use super::World;
use super::nodes::url;
use crate::check::ROOT;
use crate::network::Slot;
use crate::queue::MS;
use crate::sim::{Ask, Event, Relief};
use crate::violation::Checked;

/// Most machines that a run ever has.
const NODES_MAX: usize = 12;
/// Most members that a cluster grows to.
const MEMBERS_MAX: usize = 7;

impl World {
    /// Something goes wrong, or the troubles end.
    pub(super) fn trouble(&mut self) -> Checked {
        if self.sim.now >= self.sim.plan.troubled_for {
            return self.calm_down();
        }
        let pause = self.sim.random.between(1, 2 * self.sim.plan.trouble_every);
        let at = self.sim.now + pause;
        self.sim.queue.push(at, Event::Trouble);
        let troubles = self.sim.plan.troubles;
        let slot = self.victim();
        let kinds = match self.sim.plan.extras.any() {
            true => 22,
            false => 17,
        };
        match self.sim.random.below(kinds) {
            0..3 if troubles.crashes => self.lose_power(slot),
            3 if troubles.crashes => self.lose_power_soon(slot),
            4 if troubles.crashes => self.lose_all_power(),
            5..7 if troubles.pauses => self.pause(slot),
            7..10 if troubles.partitions => self.partition(slot),
            10 if troubles.loss => self.lose_messages(),
            11 if troubles.clocks => self.disturb_clock(slot),
            12 if troubles.disks => self.spoil_disk(slot),
            13..15 if troubles.membership => self.change_members(),
            15 if troubles.transfers => self.transfer(slot),
            16 if troubles.flips && !troubles.membership => self.flip_bit(slot),
            17..19 if self.sim.plan.extras.versions => self.change_version(slot),
            19..21 if self.sim.plan.extras.versions => self.downgrade(slot),
            21 if self.sim.plan.extras.news => self.spread_false_news(slot),
            _ => {}
        }
        Ok(())
    }

    /// A member; the leader more often than others.
    fn victim(&mut self) -> Slot {
        let leader = self.nodes.iter().position(|node| {
            let process = node.process.as_ref();
            process.is_some_and(|process| process.status.leader == process.id)
        });
        match leader {
            Some(slot) if self.sim.random.percent(40) => slot,
            _ => self.sim.random.index(self.nodes.len()),
        }
    }

    fn lose_power(&mut self, slot: Slot) {
        if self.nodes[slot].process.is_none() {
            return;
        }
        let crash = match self.sim.random.below(4) {
            0 => Crash::KeepAll,
            1 => Crash::LoseAll,
            _ => Crash::Seeded(self.sim.random.next()),
        };
        self.end(slot, crash, "loses power");
        self.start_later(slot);
    }

    /// Power goes in the middle of one of the next operations of the disk.
    fn lose_power_soon(&mut self, slot: Slot) {
        let node = &mut self.nodes[slot];
        let operations = node.disk.counts().operations;
        let faults = Faults {
            cut_at: Some(operations + 1 + self.sim.random.below(30)),
            ..Faults::default()
        };
        node.disk.set_faults(faults);
        node.is_disk_bad = true;
    }

    fn lose_all_power(&mut self) {
        for slot in 0..self.nodes.len() {
            self.lose_power(slot);
        }
    }

    fn pause(&mut self, slot: Slot) {
        let pause = self.sim.random.between(20, 3000) * MS;
        self.nodes[slot].paused_until = self.sim.now + pause;
        self.sim
            .line(|| format!("{slot} stands still for {} ms", pause / MS));
    }

    fn partition(&mut self, slot: Slot) {
        let count = self.nodes.len();
        let kind = self.sim.random.below(4);
        let sides: Vec<bool> = (0..count).map(|_| self.sim.random.percent(50)).collect();
        for from in 0..count {
            for to in 0..count {
                let is_cut = match kind {
                    0 => (from == slot) != (to == slot),
                    1 => from == slot,
                    2 => to == slot,
                    _ => sides[from] != sides[to],
                };
                if is_cut {
                    self.sim.network.cut(from, to);
                }
            }
        }
        self.sim.line(|| match kind {
            0 => format!("{slot} is cut off"),
            1 => format!("nobody hears {slot}"),
            2 => format!("{slot} hears nobody"),
            _ => format!("the network is split: {sides:?}"),
        });
        self.heal_later();
    }

    fn lose_messages(&mut self) {
        let network = &mut self.sim.network;
        let random = &mut self.sim.random;
        network.loss = *random.pick(&[0, 100, 1000, 3000]);
        network.doubled = *random.pick(&[0, 100, 1000]);
        network.late = *random.pick(&[0, 100, 1000]);
        self.heal_later();
    }

    fn heal_later(&mut self) {
        let at = self.sim.now + self.sim.random.between(50, 3000) * MS;
        self.sim.queue.push(at, Event::Relief(Relief::Network));
    }

    fn disturb_clock(&mut self, slot: Slot) {
        let (rate, jump) = match self.sim.random.below(3) {
            0 => (None, self.sim.random.between(1, 5000) * MS),
            _ => (Some(self.sim.random.between(500_000, 2_000_000)), 0),
        };
        self.sim.disturb_clock(slot, rate, jump);
        self.sim.line(|| format!("the clock of {slot} goes wrong"));
    }

    fn spoil_disk(&mut self, slot: Slot) {
        let slowness = self.sim.random.between(5, 1500) * MS;
        let node = &mut self.nodes[slot];
        let counts = node.disk.counts();
        let soon = self.sim.random.below(20);
        let faults = match self.sim.random.below(4) {
            0 => Faults {
                full_after: Some(counts.bytes + soon * 500),
                ..Faults::default()
            },
            1 => Faults {
                fail_sync: Some(counts.syncs + 1 + soon),
                ..Faults::default()
            },
            2 => Faults {
                fail_write: Some(counts.writes + 1 + soon),
                ..Faults::default()
            },
            _ => {
                if let Some(process) = &mut node.process {
                    process.slowness = slowness;
                }
                self.sim.line(|| format!("the disk of {slot} is slow"));
                Faults::default()
            }
        };
        if faults != Faults::default() {
            node.disk.set_faults(faults);
            node.is_disk_bad = true;
        }
        let at = self.sim.now + self.sim.random.between(100, 2000) * MS;
        self.sim.queue.push(at, Event::Relief(Relief::Disk(slot)));
    }

    /// Power goes, and a bit has changed when it comes back: in a segment before the last, since the
    /// end of a log cannot be told from a torn write. One member at the most, so that the others are
    /// a quorum.
    fn flip_bit(&mut self, slot: Slot) {
        let is_first = self.nodes.iter().all(|node| !node.is_damaged);
        if self.nodes.len() < 3 || !is_first || self.nodes[slot].process.is_none() {
            return;
        }
        self.lose_power(slot);
        let names = self.nodes[slot].disk.list("wal").unwrap_or_default();
        let mut segments: Vec<_> = names.iter().filter(|name| name.ends_with(".wal")).collect();
        segments.pop();
        if segments.is_empty() {
            return;
        }
        let path = format!("wal/{}", self.sim.random.pick(&segments));
        let disk = &self.nodes[slot].disk;
        let file = disk.open(&path, OpenMode::Read);
        let len = file.and_then(|file| file.len()).unwrap_or(0);
        let (offset, bit) = (self.sim.random.below(len), self.sim.random.below(8) as u8);
        if disk.flip_bit(&path, offset, bit).is_ok() {
            self.sim
                .line(|| format!("bit {bit} of byte {offset} of {path} of {slot} changes"));
            self.nodes[slot].is_damaged = true;
        }
    }

    /// Somebody is added, promoted or removed; whether that is wise is for the member that is asked.
    fn change_members(&mut self) {
        let Some((_, membership)) = self.newest_membership() else {
            return;
        };
        let members: Vec<_> = membership.members().map(|m| (m.id, m.is_learner)).collect();
        let learner = members.iter().find(|(_, is_learner)| *is_learner);
        let kind = self.sim.random.below(5);
        let change = match (kind, learner) {
            (0..2, Some((id, _))) => Change::Promote(*id),
            (2, _) if members.len() > 1 => Change::Remove(self.sim.random.pick(&members).0),
            (3..5, _) if members.len() < MEMBERS_MAX && self.nodes.len() < NODES_MAX => {
                Change::Add(self.new_member(kind == 3))
            }
            _ => return,
        };
        let slot = self.victim();
        self.ask(None, slot, ROOT, Ask::Change(Box::new(change)));
    }

    fn new_member(&mut self, is_learner: bool) -> Member {
        let slot = self.nodes.len();
        let peer_urls = vec![url(slot)];
        let id = cluster::derive_member_id(&peer_urls, "", Some(self.sim.now / 1_000_000));
        self.add_node(id, None);
        Member {
            id,
            peer_urls,
            is_learner,
            ..Member::default()
        }
    }

    fn transfer(&mut self, slot: Slot) {
        let other = self.sim.random.index(self.nodes.len());
        let to = self.nodes[other].identity.id;
        self.ask(None, slot, ROOT, Ask::Transfer(to));
    }
}
