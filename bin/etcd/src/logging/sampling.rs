//! Sampling of lines: of equal messages within a second the first 100 pass, then every 100th.

use std::hash::BuildHasher;
use std::hash::BuildHasherDefault;
use std::hash::DefaultHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::level::Level;

/// Equal messages of a second that pass.
const FIRST: u64 = 100;
/// Of the further ones, every so manieth passes.
const THEREAFTER: u64 = 100;
/// Counters of a level; messages that share one are counted together.
const SLOTS: usize = 4096;

/// Counts messages. A counter holds the second in its upper half and the count in its lower one.
#[derive(Debug)]
pub(super) struct Sampler {
    origin: Instant,
    counters: Box<[AtomicU64]>,
}

impl Default for Sampler {
    fn default() -> Self {
        let counters = (0..SLOTS * Level::ALL.len()).map(|_| AtomicU64::new(0));
        Self {
            origin: Instant::now(),
            counters: counters.collect(),
        }
    }
}

impl Sampler {
    /// Whether this line is written.
    pub(super) fn admits(&self, level: Level, message: &str) -> bool {
        self.admits_at(level, message, self.origin.elapsed().as_secs())
    }

    fn admits_at(&self, level: Level, message: &str, second: u64) -> bool {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(message);
        // The remainder is below the number of slots.
        let slot = level as usize * SLOTS + usize::try_from(hash % SLOTS as u64).unwrap_or(0);
        let count = |old: u64| match old >> 32 == second {
            true => old + 1,
            false => (second << 32) + 1,
        };
        let counter = &self.counters[slot];
        let old =
            counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(count(old)));
        let number = count(old.unwrap_or_default()) & u64::from(u32::MAX);
        number <= FIRST || (number - FIRST).is_multiple_of(THEREAFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A defect that logs in a loop must not fill the disk.
    #[test]
    fn a_flood_is_thinned_out() {
        let sampler = Sampler::default();
        let passed = |message: &str, second| {
            let lines = (0..1000).filter(|_| sampler.admits_at(Level::Info, message, second));
            lines.count()
        };
        assert_eq!(passed("flood", 0), 109);
        assert_eq!(passed("flood", 1), 109);
        assert!(sampler.admits_at(Level::Warn, "flood", 1));
    }
}
