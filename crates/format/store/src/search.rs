//! Finding a block by revision in few steps: revisions are nearly evenly spread, so the place is
//! guessed and then searched for nearby. A plain binary search over a large index misses the cache
//! at every step, which costs as much as reading the block.

use types::Revision;

use crate::block::BlockRef;

/// How many of `blocks` begin at or before `revision`; the last of them is where it would be.
pub(crate) fn blocks_before(blocks: &[BlockRef], revision: Revision) -> usize {
    let (mut low, mut high) = (0, blocks.len());
    let is_before = |n: usize| blocks.get(n).is_some_and(|b| b.first <= revision);
    let guess = guess(blocks, revision);
    let mut step = 1;
    if is_before(guess) {
        low = guess + 1;
        while low + step < high && is_before(low + step) {
            low += step + 1;
            step *= 2;
        }
        high = high.min(low + step);
    } else {
        high = high.min(guess);
        while high > low + step && !is_before(high - step) {
            high -= step;
            step *= 2;
        }
        low = high.saturating_sub(step);
    }
    let near = blocks.get(low..high).unwrap_or_default();
    low + near.partition_point(|b| b.first <= revision)
}

/// The block in which the revision would be if all held as many.
fn guess(blocks: &[BlockRef], revision: Revision) -> usize {
    let [first, .., last] = blocks else {
        return 0;
    };
    let (first, last) = (first.first.main, last.first.main);
    let steps = (blocks.len() - 1) as u128;
    if revision.main <= first || last <= first {
        return 0;
    }
    let part = u128::from(revision.main.abs_diff(first)) * steps;
    usize::try_from(part / u128::from(last.abs_diff(first)))
        .map_or(blocks.len(), |guess| guess.min(blocks.len() - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A block that is not found is a record that is lost.
        #[test]
        fn agrees_with_binary_search(
            gaps in prop::collection::vec((0_i64..40, 0_i64..3), 0..200),
            far in prop::option::of(0..i64::MAX),
            wanted in (-5_i64..4000, 0_i64..4),
        ) {
            let mut at = Revision::default();
            let firsts = gaps.into_iter().map(|(main, sub)| {
                at = match main {
                    0 => Revision::new(at.main, at.sub + 1 + sub),
                    _ => Revision::new(at.main + main, sub),
                };
                at
            });
            let mut firsts: Vec<_> = firsts.collect();
            firsts.extend(far.map(|far| Revision::new(far.saturating_add(8000), 0)));
            let blocks: Vec<_> = firsts
                .into_iter()
                .map(|first| BlockRef { first, offset: 0, len: 0, ordinal: 0 })
                .collect();
            let others = blocks.iter().map(|block| block.first);
            for revision in others.chain([Revision::new(wanted.0, wanted.1)]) {
                let expected = blocks.partition_point(|block| block.first <= revision);
                prop_assert_eq!(blocks_before(&blocks, revision), expected);
            }
        }
    }
}
