//! A bounded cache of records that point reads fetched from the store.
//!
//! Keyed by revision: a record never changes, so nothing is ever invalidated. Each shard is a
//! clock: a hit sets a mark, the hand clears marks and evicts the first record without one.

#[expect(clippy::disallowed_types, reason = "fixed hasher, never iterated")]
use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::FixedState;
use parking_lot::Mutex;
use types::Revision;

/// Enough that the threads of a few dozen cores seldom meet.
const SHARDS: usize = 16;
/// What a record costs beside its bytes: slot, map entry and the allocator's share.
const RECORD_OVERHEAD_BYTES: usize = 150;

#[derive(Debug)]
struct Slot {
    revision: Revision,
    record: Bytes,
    used: bool,
}

#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "fixed hasher, never iterated")]
struct Shard {
    slots: Vec<Slot>,
    positions: HashMap<Revision, usize, FixedState>,
    hand: usize,
    bytes: usize,
}

/// Records by revision.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
}

impl Cache {
    /// A cache of at most `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new())).collect(),
            shard_bytes_max: bytes_max / SHARDS,
        }
    }

    pub(crate) fn get(&self, revision: Revision) -> Option<Bytes> {
        self.shard(revision).lock().get(revision)
    }

    /// Takes a copy of a record in: the store hands out parts of whole blocks.
    pub(crate) fn insert(&self, revision: Revision, record: &Bytes) {
        // One record must not push out a whole shard.
        if cost(record) <= self.shard_bytes_max / 4 {
            let record = Bytes::copy_from_slice(record);
            self.shard(revision)
                .lock()
                .insert(revision, record, self.shard_bytes_max);
        }
    }

    fn shard(&self, revision: Revision) -> &Mutex<Shard> {
        // Neighbouring revisions go to different shards.
        let number = revision.main.wrapping_add(revision.sub).cast_unsigned();
        let position = usize::try_from(number % SHARDS as u64).unwrap_or_default();
        &self.shards[position]
    }
}

impl Shard {
    #[expect(clippy::disallowed_types, reason = "fixed hasher, never iterated")]
    fn new() -> Self {
        Self {
            slots: Vec::new(),
            positions: HashMap::with_hasher(FixedState::default()),
            hand: 0,
            bytes: 0,
        }
    }

    fn get(&mut self, revision: Revision) -> Option<Bytes> {
        let slot = &mut self.slots[*self.positions.get(&revision)?];
        slot.used = true;
        Some(slot.record.clone())
    }

    fn insert(&mut self, revision: Revision, record: Bytes, bytes_max: usize) {
        if self.positions.contains_key(&revision) {
            return;
        }
        self.bytes += cost(&record);
        while self.bytes > bytes_max && !self.slots.is_empty() {
            self.evict();
        }
        self.positions.insert(revision, self.slots.len());
        self.slots.push(Slot {
            revision,
            record,
            used: false,
        });
    }

    fn evict(&mut self) {
        // Ends after at most two rounds: the first one clears all marks.
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = &mut self.slots[self.hand];
            if !std::mem::take(&mut slot.used) {
                break;
            }
            self.hand += 1;
        }
        let slot = self.slots.swap_remove(self.hand);
        self.positions.remove(&slot.revision);
        self.bytes -= cost(&slot.record);
        if let Some(moved) = self.slots.get(self.hand) {
            self.positions.insert(moved.revision, self.hand);
        }
    }
}

fn cost(record: &Bytes) -> usize {
    record.len() + RECORD_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache that grows beyond its limit is a leak; one that forgets hot records is useless.
    #[test]
    fn bounded_and_keeps_what_is_used() {
        let cache = Cache::new(SHARDS * 20 * (RECORD_OVERHEAD_BYTES + 100));
        let hot = Revision::new(2, 0);
        let record = Bytes::from(vec![0; 100]);
        cache.insert(hot, &record);
        for main in 3..3000 {
            let revision = Revision::new(main, 0);
            cache.insert(revision, &Bytes::from(vec![main.to_le_bytes()[0]; 100]));
            if main % 3 == 0 {
                assert_eq!(cache.get(revision).unwrap()[0], main.to_le_bytes()[0]);
            }
            assert_eq!(cache.get(hot), Some(record.clone()), "after {main}");
        }
        for shard in &cache.shards {
            let shard = shard.lock();
            assert!(shard.bytes <= cache.shard_bytes_max);
            assert_eq!(shard.slots.len(), shard.positions.len());
            assert_eq!(
                shard.bytes,
                shard
                    .slots
                    .iter()
                    .map(|slot| cost(&slot.record))
                    .sum::<usize>()
            );
        }
        cache.insert(Revision::new(5000, 0), &Bytes::from(vec![0; 100_000]));
        assert_eq!(cache.get(Revision::new(5000, 0)), None);
    }
}
