//! Which records of a segment are dead: a bit for each, once there is any.

/// Bits by ordinal; all zero beyond the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeadBits {
    words: Vec<u64>,
}

impl DeadBits {
    /// Sets a bit; returns whether it was clear.
    pub(crate) fn insert(&mut self, ordinal: u32) -> bool {
        let (word, bit) = place(ordinal);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let old = self.words[word];
        self.words[word] |= bit;
        old & bit == 0
    }

    #[inline]
    pub(crate) fn contains(&self, ordinal: u32) -> bool {
        let (word, bit) = place(ordinal);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether all of `count` bits from `first` on are set.
    pub(crate) fn contains_all(&self, first: u32, count: u32) -> bool {
        !self.words.is_empty() && (first..first.saturating_add(count)).all(|n| self.contains(n))
    }
}

fn place(ordinal: u32) -> (usize, u64) {
    ((ordinal / 64) as usize, 1 << (ordinal % 64))
}

/// The dead records of a segment and what they cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dead {
    pub(crate) bits: DeadBits,
    pub(crate) cost: u64,
    /// The part of the cost that is tombstones.
    pub(crate) tombstone_cost: u64,
}

impl Dead {
    /// Marks a record; returns whether it was not marked.
    pub(crate) fn mark(&mut self, ordinal: u32, tombstone: bool, cost: u64) -> bool {
        let is_new = self.bits.insert(ordinal);
        if is_new {
            self.cost += cost;
            if tombstone {
                self.tombstone_cost += cost;
            }
        }
        is_new
    }
}
