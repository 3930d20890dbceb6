//! A leaf: entries in order, with the heads of their keys and a bit for each that is live.

use super::Start;
use super::heads::Heads;
use crate::key::KeyEntry;

/// Entries of a full leaf: one bit each in a word.
pub(super) const LEAF_MAX: usize = 64;
/// Room grows by this many entries, so that leaves hold little that is spare.
const STEP: usize = 8;

/// Sorted entries.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    heads: Heads<u64>,
    live: u64,
    entries: Vec<KeyEntry>,
}

impl Leaf {
    pub(super) fn of(entries: Vec<KeyEntry>) -> Self {
        let mut leaf = Self {
            heads: Heads::default(),
            live: 0,
            entries,
        };
        leaf.rebuild();
        leaf
    }

    fn rebuild(&mut self) {
        self.heads.rebuild(self.entries.iter().map(KeyEntry::key));
        let bits = self
            .entries
            .iter()
            .rev()
            .map(|entry| u64::from(entry.is_live()));
        self.live = bits.fold(0, |word, bit| word << 1 | bit);
    }

    pub(super) fn entries(&self) -> &[KeyEntry] {
        &self.entries
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn live(&self) -> usize {
        self.live.count_ones() as usize
    }

    /// Live entries before `position`.
    pub(super) fn live_before(&self, position: usize) -> usize {
        (self.live & below(position)).count_ones() as usize
    }

    pub(super) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.heads
            .find(key, |position| self.entries[position].key())
    }

    /// The first entry that a walk from `start` meets.
    pub(super) fn position(&self, start: Start<'_>) -> usize {
        match (self.find(start.key()), start) {
            (Ok(position), Start::After(_)) => position + 1,
            (Ok(position) | Err(position), _) => position,
        }
    }

    /// Changes an entry; returns the change of the number of live entries.
    pub(super) fn edit(&mut self, position: usize, edit: impl FnOnce(&mut KeyEntry)) -> isize {
        let entry = &mut self.entries[position];
        edit(entry);
        let bit = 1 << position;
        let was_live = self.live & bit != 0;
        match (was_live, entry.is_live()) {
            (false, true) => {
                self.live |= bit;
                1
            }
            (true, false) => {
                self.live &= !bit;
                -1
            }
            _ => 0,
        }
    }

    /// Inserts an entry where it belongs; returns the right half if the leaf had to be split.
    pub(super) fn insert(&mut self, position: usize, entry: KeyEntry) -> Option<Self> {
        if self.entries.len() < LEAF_MAX {
            self.insert_with_room(position, entry);
            return None;
        }
        // A full leaf that is appended to stays full: keys written in order fill their leaves.
        if position == LEAF_MAX {
            let mut entries = Vec::with_capacity(STEP);
            entries.push(entry);
            return Some(Self::of(entries));
        }
        let half = LEAF_MAX / 2;
        let mut entries = Vec::with_capacity(half + STEP);
        entries.extend(self.entries.drain(half..));
        self.entries.shrink_to(half + STEP);
        let mut right = Self::of(entries);
        self.rebuild();
        if position <= half {
            self.insert_with_room(position, entry);
        } else {
            right.insert_with_room(position - half, entry);
        }
        Some(right)
    }

    fn insert_with_room(&mut self, position: usize, entry: KeyEntry) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(STEP);
        }
        let low = below(position);
        let bit = u64::from(entry.is_live()) << position;
        self.live = self.live & low | (self.live & !low) << 1 | bit;
        self.entries.insert(position, entry);
        let keys = self.entries.iter().map(KeyEntry::key);
        self.heads
            .insert(position, self.entries[position].key(), keys);
    }

    /// Calls `keep` for the entries from `first` on and removes those for which it says no.
    pub(super) fn retain(&mut self, first: usize, mut keep: impl FnMut(&mut KeyEntry) -> bool) {
        let before = self.entries.len();
        let mut position = 0;
        self.entries.retain_mut(|entry| {
            position += 1;
            position <= first || keep(entry)
        });
        if self.entries.len() < before {
            self.rebuild();
        }
    }

    /// Takes over the entries of the leaf after this one.
    pub(super) fn append(&mut self, right: Self) {
        self.entries.reserve_exact(right.entries.len());
        self.entries.extend(right.entries);
        self.rebuild();
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<KeyEntry>()
            + self.entries.iter().map(KeyEntry::heap_bytes).sum::<usize>()
            + self.heads.heap_bytes()
    }
}

/// The bits of the positions before `position`.
fn below(position: usize) -> u64 {
    if position < LEAF_MAX {
        (1 << position) - 1
    } else {
        u64::MAX
    }
}
