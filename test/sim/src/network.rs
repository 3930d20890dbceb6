//! The links between members: who reaches whom, and what is lost, late or doubled on the way.

use std::collections::{BTreeMap, BTreeSet};

use raft::{Message, MessageKind};
use types::MemberId;

use crate::queue::{MS, Time};
use crate::random::Random;

/// The place of a member in the run; never used again for another one.
pub(crate) type Slot = usize;

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    slots: BTreeMap<MemberId, Slot>,
    /// Directed links that carry nothing.
    cut: BTreeSet<(Slot, Slot)>,
    delay: (Time, Time),
    /// In hundredths of a per cent.
    pub(crate) loss: u64,
    /// In hundredths of a per cent.
    pub(crate) doubled: u64,
    /// Messages that are held up for long, in hundredths of a per cent.
    pub(crate) late: u64,
}

impl Network {
    pub(crate) fn new(delay: (Time, Time)) -> Self {
        Self {
            slots: BTreeMap::new(),
            cut: BTreeSet::new(),
            delay,
            loss: 0,
            doubled: 0,
            late: 0,
        }
    }

    /// A member is reachable in this slot.
    pub(crate) fn add(&mut self, id: MemberId, slot: Slot) {
        self.slots.insert(id, slot);
    }

    /// Where a member is.
    pub(crate) fn slot(&self, id: MemberId) -> Option<Slot> {
        self.slots.get(&id).copied()
    }

    /// Nothing goes from one to the other any more.
    pub(crate) fn cut(&mut self, from: Slot, to: Slot) {
        if from != to {
            self.cut.insert((from, to));
        }
    }

    /// All links carry again, and without loss.
    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        (self.loss, self.doubled, self.late) = (0, 0, 0);
    }

    /// Whether one reaches the other.
    pub(crate) fn carries(&self, from: Slot, to: Slot) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// How long something takes on a link.
    pub(crate) fn delay(&self, random: &mut Random) -> Time {
        random.between(self.delay.0, self.delay.1)
    }

    /// When a message arrives: never, once, or twice.
    pub(crate) fn arrivals(
        &self,
        from: Slot,
        to: Slot,
        message: &Message,
        random: &mut Random,
    ) -> Vec<Time> {
        if !self.carries(from, to) || random.basis_points(self.loss) {
            return Vec::new();
        }
        let mut times = vec![self.one_delay(random)];
        // A stream never doubles, and consensus cannot tell a doubled proposal from a new one.
        if message.kind != MessageKind::Propose && random.basis_points(self.doubled) {
            times.push(self.one_delay(random));
        }
        times
    }

    fn one_delay(&self, random: &mut Random) -> Time {
        let delay = self.delay(random);
        if random.basis_points(self.late) {
            return delay + random.between(10, 900) * MS;
        }
        delay
    }
}
