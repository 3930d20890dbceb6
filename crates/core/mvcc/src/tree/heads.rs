//! The distinguishing bytes of sorted keys, side by side, so that a search seldom leaves them.
//!
//! The keys of a node share a prefix; the few bytes after it mostly tell them apart. A search
//! compares the prefix once, bisects these bytes as numbers, and looks at whole keys only where
//! numbers are equal. Bisecting the keys themselves would miss the processor's caches twice for
//! each comparison.

/// The first bytes of what is left of a key, as a number; bytes beyond its end count as zero.
pub(super) trait Head: Copy + Ord + std::fmt::Debug {
    /// The number.
    fn of(rest: &[u8]) -> Self;
    /// How many of the sorted `heads` are below `head`.
    fn count_below(heads: &[Self], head: Self) -> usize;
}

/// For leaves: neighbouring keys share so much that eight bytes tell them apart.
impl Head for u64 {
    fn of(rest: &[u8]) -> Self {
        match rest.first_chunk() {
            Some(bytes) => Self::from_be_bytes(*bytes),
            None => Self::from_be_bytes(padded(rest)),
        }
    }

    fn count_below(heads: &[Self], head: Self) -> usize {
        // A cold leaf: reading all of it at once is one wait for the memory, bisecting is three.
        heads.iter().map(|other| usize::from(*other < head)).sum()
    }
}

/// For inner nodes, whose bounds lie far apart and share less.
impl Head for u128 {
    fn of(rest: &[u8]) -> Self {
        match rest.first_chunk() {
            Some(bytes) => Self::from_be_bytes(*bytes),
            None => Self::from_be_bytes(padded(rest)),
        }
    }

    fn count_below(heads: &[Self], head: Self) -> usize {
        heads.partition_point(|other| *other < head)
    }
}

fn padded<const LEN: usize>(rest: &[u8]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..rest.len()].copy_from_slice(rest);
    bytes
}

/// The heads of the keys of a node.
#[derive(Debug)]
pub(super) struct Heads<H> {
    /// All keys begin with it; it may be shorter than it could be.
    prefix: Box<[u8]>,
    /// Ascending.
    heads: Vec<H>,
}

impl<H> Default for Heads<H> {
    fn default() -> Self {
        Self {
            prefix: Box::default(),
            heads: Vec::new(),
        }
    }
}

/// Room grows by this many numbers.
const STEP: usize = 8;

impl<H: Head> Heads<H> {
    /// Computes everything anew.
    pub(super) fn rebuild<'k>(&mut self, keys: impl DoubleEndedIterator<Item = &'k [u8]> + Clone) {
        let mut ends = keys.clone();
        let prefix = match (ends.next(), ends.next_back()) {
            (Some(first), Some(last)) => common_prefix(first, last),
            (Some(only), None) => only,
            _ => b"",
        };
        self.heads.clear();
        for key in keys {
            self.reserve();
            self.heads.push(H::of(&key[prefix.len()..]));
        }
        self.prefix = prefix.into();
    }

    /// `key` was inserted at `position`; `keys` are all keys with it.
    pub(super) fn insert<'k>(
        &mut self,
        position: usize,
        key: &[u8],
        keys: impl DoubleEndedIterator<Item = &'k [u8]> + Clone,
    ) {
        match key.strip_prefix(&*self.prefix) {
            Some(rest) if !self.heads.is_empty() => {
                self.reserve();
                self.heads.insert(position, H::of(rest));
            }
            _ => self.rebuild(keys),
        }
    }

    fn reserve(&mut self) {
        if self.heads.len() == self.heads.capacity() {
            self.heads.reserve_exact(STEP);
        }
    }

    /// The position of `key`, or where it belongs; `key_at` gives whole keys.
    pub(super) fn find<'k>(
        &self,
        key: &[u8],
        key_at: impl Fn(usize) -> &'k [u8],
    ) -> Result<usize, usize> {
        // A whole key that is equal proves its prefix: do not fetch that for a key that is there.
        let guess = key.get(self.prefix.len()..).map(H::of);
        if let Some(head) = guess {
            let position = H::count_below(&self.heads, head);
            if self.heads.get(position) == Some(&head) && key_at(position) == key {
                return Ok(position);
            }
        }
        let Some(rest) = key.strip_prefix(&*self.prefix) else {
            // It is beside all keys with the prefix.
            return Err(if *key < *self.prefix {
                0
            } else {
                self.heads.len()
            });
        };
        let head = H::of(rest);
        let begin = H::count_below(&self.heads, head);
        let equal = self.heads[begin..]
            .iter()
            .take_while(|other| **other == head)
            .count();
        let (mut low, mut high) = (begin, begin + equal);
        while low < high {
            let middle = low.midpoint(high);
            match key_at(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.prefix.len() + self.heads.capacity() * size_of::<H>()
    }
}

fn common_prefix<'k>(first: &'k [u8], last: &[u8]) -> &'k [u8] {
    let len = first
        .iter()
        .zip(last)
        .take_while(|(left, right)| left == right)
        .count();
    &first[..len]
}

/// The positions of `count` keys in the order of the keys; equal keys keep their order.
pub(crate) fn sorted_positions<'k>(count: usize, key_at: impl Fn(usize) -> &'k [u8]) -> Vec<usize> {
    let keys = || (0..count).map(&key_at);
    let prefix = keys().reduce(common_prefix).unwrap_or_default().len();
    let mut order: Vec<(u128, usize)> = keys()
        .enumerate()
        .map(|(position, key)| (u128::of(&key[prefix..]), position))
        .collect();
    order.sort_unstable_by(|left, right| {
        left.0
            .cmp(&right.0)
            .then_with(|| key_at(left.1).cmp(key_at(right.1)))
            .then(left.1.cmp(&right.1))
    });
    order.into_iter().map(|(_, position)| position).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        // Zero bytes and shared beginnings are what the numbers cannot tell apart.
        prop_oneof![
            proptest::collection::vec(0..3_u8, 0..12),
            proptest::collection::vec(any::<u8>(), 0..12),
            proptest::collection::vec(0..2_u8, 0..4).prop_map(|tail| [
                b"common/prefix/".as_slice(),
                &tail
            ]
            .concat()),
        ]
    }

    fn check<H: Head>(keys: Vec<Vec<u8>>, probes: &[Vec<u8>]) -> Result<(), TestCaseError> {
        let mut sorted: Vec<Vec<u8>> = Vec::new();
        let mut heads = Heads::<H>::default();
        for key in keys {
            if let Err(position) = sorted.binary_search(&key) {
                prop_assert_eq!(heads.find(&key, |at| &sorted[at]), Err(position));
                sorted.insert(position, key.clone());
                heads.insert(position, &key, sorted.iter().map(Vec::as_slice));
            }
        }
        let mut rebuilt = Heads::<H>::default();
        rebuilt.rebuild(sorted.iter().map(Vec::as_slice));
        for probe in sorted.iter().chain(probes) {
            let want = sorted.binary_search(probe);
            prop_assert_eq!(heads.find(probe, |at| &sorted[at]), want);
            prop_assert_eq!(rebuilt.find(probe, |at| &sorted[at]), want);
        }
        Ok(())
    }

    proptest! {
        /// An index built in another order would have other histories.
        #[test]
        fn sorts_stably(keys in proptest::collection::vec(key(), 0..60)) {
            let mut want: Vec<usize> = (0..keys.len()).collect();
            want.sort_by_key(|position| &keys[*position]);
            prop_assert_eq!(sorted_positions(keys.len(), |at| &keys[at]), want);
        }

        /// A wrong position loses a key or stores it twice.
        #[test]
        fn finds_as_a_bisection_does(
            keys in proptest::collection::vec(key(), 0..60),
            probes in proptest::collection::vec(key(), 8),
        ) {
            check::<u64>(keys.clone(), &probes)?;
            check::<u128>(keys, &probes)?;
        }
    }
}
