//! The policy of reclaiming space: which work is worth doing next. Pure arithmetic.
//!
//! Work is needed when the files exceed 1.4 times what is in use by more than an allowance. Then
//! some file consists of garbage for more than a fifth, or all of them together could not.
//!
//! Dead tombstones are no garbage to their file as long as older files hold dead records: they would
//! be copied along. If they are what keeps the files too large, the oldest dead records are removed,
//! however few a file has of them: that way they are gone after one pass over the files.

use std::ops::Range;

/// A sealed segment, or the active one as if it were sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) len: u64,
    /// What the records cost that rewriting it would copy.
    pub(crate) kept: u64,
    /// The part of that which is dead: tombstones that older dead records hold back.
    pub(crate) stuck: u64,
    /// What rewriting it would save.
    pub(crate) garbage: u64,
}

/// All that the choice depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space<'a> {
    pub(crate) sealed: &'a [Usage],
    /// The oldest sealed segment that holds a dead record.
    pub(crate) dirty: Option<usize>,
    pub(crate) active: Usage,
    /// Live records and buckets.
    pub(crate) in_use: u64,
    pub(crate) segment_bytes: u64,
    /// Whether any garbage is worth the work.
    pub(crate) is_defragmenting: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Seal the active segment, so that it can be rewritten.
    Roll,
    /// Rewrite these sealed segments as one.
    Rewrite(Range<usize>),
}

/// What headers, frames and footer of a segment take at most, besides a share of each block.
pub(crate) const SEGMENT_OVERHEAD: u64 = 512;
/// What a block takes besides its records: its header and its entry in the block index.
pub(crate) const BLOCK_OVERHEAD: u64 = 40;

/// How many segments there may be before neighbours are merged, besides some for each
/// `segment_bytes` in use.
const SEGMENTS_MIN: u64 = 8;
/// Of any two neighbours that cannot be merged one is half full, so twice as many would do.
const SEGMENTS_PER_FULL: u64 = 4;

impl Space<'_> {
    /// What the files may exceed 1.5 times the live data by: too little to be worth syncs.
    pub(crate) fn allowance(segment_bytes: u64) -> u64 {
        (segment_bytes / 16).clamp(16 << 10, 256 << 10)
    }

    /// The next thing worth doing, if any.
    pub(crate) fn choose(&self) -> Option<Work> {
        if (self.is_defragmenting || self.is_too_large())
            && let Some(work) = self.worst().or_else(|| self.holding_back())
        {
            return Some(work);
        }
        let full = self.in_use / self.segment_bytes.max(1);
        if self.sealed.len() as u64 > SEGMENTS_MIN + SEGMENTS_PER_FULL * full {
            return self.cheapest_pair().map(Work::Rewrite);
        }
        None
    }

    fn sum(&self, part: impl Fn(&Usage) -> u64) -> u64 {
        self.sealed.iter().chain([&self.active]).map(part).sum()
    }

    fn is_too_large(&self) -> bool {
        let total = self.sum(|usage| usage.len);
        total > self.in_use + self.in_use * 2 / 5 + Self::allowance(self.segment_bytes)
    }

    /// The segment with the largest share of garbage, if that is worth the work.
    fn worst(&self) -> Option<Work> {
        let worst = (0..self.sealed.len())
            .filter(|n| self.is_worth(&self.sealed[*n]))
            .max_by(|a, b| compare_shares(&self.sealed[*a], &self.sealed[*b]));
        let is_active_worth = self.is_worth(&self.active)
            && self.active.garbage > Self::allowance(self.segment_bytes) / 4;
        match worst {
            Some(worst)
                if !is_active_worth
                    || compare_shares(&self.sealed[worst], &self.active).is_ge() =>
            {
                Some(Work::Rewrite(self.extend(worst)))
            }
            _ => is_active_worth.then_some(Work::Roll),
        }
    }

    fn is_worth(&self, usage: &Usage) -> bool {
        let share = if self.is_defragmenting { 64 } else { 5 };
        usage.garbage.saturating_mul(share) > usage.len
    }

    /// The oldest dead records, if they hold back enough tombstones. When no segment is worth it
    /// for itself, but all together are too large, these are about a twelfth of all.
    fn holding_back(&self) -> Option<Work> {
        let stuck = self.sum(|usage| usage.stuck);
        let share = if self.is_defragmenting { 64 } else { 16 };
        let is_worth = stuck.saturating_mul(share) > self.sum(|usage| usage.len);
        let dirty = self.dirty.filter(|_| is_worth)?;
        Some(Work::Rewrite(self.extend(dirty)))
    }

    /// Takes neighbours into the run while copying them costs little against what is freed.
    fn extend(&self, worst: usize) -> Range<usize> {
        let usage = self.sealed[worst];
        let (mut run, mut live) = (worst..worst + 1, usage.kept);
        let little = (usage.garbage / 8).max(Self::allowance(self.segment_bytes) / 4);
        let mut fits = |n: usize| {
            let neighbour = self.sealed.get(n).map_or(u64::MAX, |usage| usage.kept);
            let fits = neighbour <= little && live + neighbour <= self.segment_bytes;
            if fits {
                live += neighbour;
            }
            fits
        };
        while run.start > 0 && fits(run.start - 1) {
            run.start -= 1;
        }
        while fits(run.end) {
            run.end += 1;
        }
        run
    }

    fn cheapest_pair(&self) -> Option<Range<usize>> {
        let live = |pair: &[Usage]| pair.iter().map(|usage| usage.kept).sum::<u64>();
        let pairs = self.sealed.windows(2).enumerate();
        pairs
            .filter(|(_, pair)| live(pair) <= self.segment_bytes)
            .min_by_key(|(_, pair)| live(pair))
            .map(|(n, _)| n..n + 2)
    }
}

/// Compares how much of each is garbage.
fn compare_shares(a: &Usage, b: &Usage) -> std::cmp::Ordering {
    let share = |x: &Usage, y: &Usage| u128::from(x.garbage) * u128::from(y.len);
    share(a, b).cmp(&share(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn usage(len: u64, garbage: u64) -> Usage {
        Usage {
            len,
            kept: len - garbage,
            stuck: 0,
            garbage,
        }
    }

    fn choose(sealed: &[Usage], active: Usage, is_defragmenting: bool) -> Option<Work> {
        let all = sealed.iter().chain([&active]);
        Space {
            sealed,
            dirty: sealed.iter().position(|usage| usage.garbage > 0),
            active,
            in_use: all.map(|usage| usage.kept - usage.stuck).sum(),
            segment_bytes: 64 * MB,
            is_defragmenting,
        }
        .choose()
    }

    /// Rewriting what is mostly live would write for nothing; waiting too long fills the disk.
    #[test]
    fn worst_is_chosen_once_needed() {
        let some = [usage(64 * MB, 10 * MB), usage(64 * MB, 15 * MB)];
        assert_eq!(choose(&some, usage(MB, 0), false), None);
        assert_eq!(choose(&some, usage(MB, 0), true), Some(Work::Rewrite(1..2)));
        let more = [usage(64 * MB, 20 * MB), usage(64 * MB, 40 * MB)];
        let second = Some(Work::Rewrite(1..2));
        assert_eq!(choose(&more, usage(MB, 0), false), second);
        assert_eq!(
            choose(&more, usage(4 * MB, 4 * MB), false),
            Some(Work::Roll)
        );
    }

    /// Tombstones that few dead records hold back would fill the disk; those that are few
    /// themselves must not cause old files to be rewritten again and again.
    #[test]
    fn held_back_tombstones_are_freed() {
        let held_back = |stuck| Usage {
            stuck,
            ..usage(64 * MB, 0)
        };
        let mut sealed = [usage(64 * MB, 0), usage(64 * MB, 1), held_back(60 * MB)];
        assert_eq!(
            choose(&sealed, usage(MB, 0), false),
            Some(Work::Rewrite(1..2))
        );
        // What is garbage anyhow comes first, and may be enough.
        sealed[0] = usage(64 * MB, 1);
        sealed[1] = usage(64 * MB, 30 * MB);
        assert_eq!(
            choose(&sealed, usage(MB, 0), false),
            Some(Work::Rewrite(1..2))
        );
        sealed[0] = usage(64 * MB, 0);
        sealed[1] = usage(50 * MB, MB / 2);
        sealed[2] = held_back(2 * MB);
        assert_eq!(choose(&sealed, usage(MB, 0), false), None);
        assert_eq!(choose(&sealed, usage(MB, 0), true), None);
        sealed[2] = held_back(4 * MB);
        assert_eq!(
            choose(&sealed, usage(MB, 0), true),
            Some(Work::Rewrite(1..2))
        );
    }

    /// Without this, bucket changes alone would leave a row of tiny files.
    #[test]
    fn small_neighbours_join() {
        let sealed = [
            usage(64 * MB, 0),
            usage(100, 0),
            usage(64 * MB, 60 * MB),
            usage(5 * MB, 0),
            usage(64 * MB, 0),
        ];
        assert_eq!(
            choose(&sealed, usage(0, 0), true),
            Some(Work::Rewrite(1..4))
        );
    }

    /// Each open file costs a descriptor and a search step.
    #[test]
    fn many_segments_are_merged() {
        let mut sealed = vec![usage(30 * MB, 0); 40];
        assert_eq!(choose(&sealed, usage(0, 0), false), None);
        sealed.extend(vec![usage(1000, 0); 60]);
        assert_eq!(
            choose(&sealed, usage(0, 0), false),
            Some(Work::Rewrite(40..42))
        );
    }
}
