//! A set of keys as the union of granted ranges.

use bytes::{BufMut, Bytes, BytesMut};
use types::KeyRange;

/// The smallest key.
const FIRST_KEY: &[u8] = b"\0";

/// Disjoint intervals in order, none touching the next: what two grants cover together is one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<Interval>);

/// Keys from `start` to before `end`; without an end for `None`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    start: Bytes,
    end: Option<Bytes>,
}

impl RangeSet {
    /// The union of ranges.
    pub(crate) fn union(ranges: impl Iterator<Item = KeyRange>) -> Self {
        let mut intervals: Vec<_> = ranges
            .filter(|range| !range.is_empty())
            .map(Interval::of)
            .collect();
        intervals.sort_unstable_by(|a, b| a.start.cmp(&b.start));
        let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
        for interval in intervals {
            match merged.last_mut() {
                Some(last) if last.reaches(&interval.start) => last.extend(interval.end),
                _ => merged.push(interval),
            }
        }
        merged.shrink_to_fit();
        Self(merged)
    }

    /// Whether every key of the range is in the set. Of a range that holds no key, the first one
    /// decides, as in etcd.
    pub(crate) fn covers(&self, range: &KeyRange) -> bool {
        let start = match range {
            KeyRange::All => FIRST_KEY,
            other => other.start(),
        };
        let next = self.0.partition_point(|interval| interval.start <= start);
        let Some(interval) = next.checked_sub(1).and_then(|at| self.0.get(at)) else {
            return false;
        };
        let Some(end) = &interval.end else {
            return true;
        };
        start < end.as_ref()
            && match range {
                KeyRange::Point(_) => true,
                KeyRange::Span { end: wanted, .. } => wanted <= end,
                KeyRange::FromKey(_) | KeyRange::All => false,
            }
    }
}

impl Interval {
    fn of(range: KeyRange) -> Self {
        let (start, end) = match range {
            KeyRange::Point(key) => {
                let end = successor(&key);
                (key, Some(end))
            }
            KeyRange::Span { start, end } => (start, Some(end)),
            KeyRange::FromKey(start) => (start, None),
            KeyRange::All => (Bytes::from_static(FIRST_KEY), None),
        };
        Self { start, end }
    }

    /// Whether an interval that begins at `start` overlaps or touches this one.
    fn reaches(&self, start: &Bytes) -> bool {
        self.end.as_ref().is_none_or(|end| start <= end)
    }

    fn extend(&mut self, to: Option<Bytes>) {
        self.end = match (self.end.take(), to) {
            (Some(own), Some(to)) => Some(own.max(to)),
            _ => None,
        };
    }
}

/// The key that follows immediately.
fn successor(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(key: &'static str, end: &'static str) -> KeyRange {
        KeyRange::new(Bytes::from(key), Bytes::from(end)).unwrap()
    }

    fn set(ranges: &[(&'static str, &'static str)]) -> RangeSet {
        RangeSet::union(ranges.iter().map(|(key, end)| range(key, end)))
    }

    /// Two halves granted by two roles are a whole; a gap of one key is none.
    #[test]
    fn unions() {
        let halves = set(&[("c", "e"), ("a", "c"), ("k", "")]);
        assert!(halves.covers(&range("a", "e")));
        assert!(halves.covers(&range("k", "")) && halves.covers(&range("k", "k\0")));
        assert!(!halves.covers(&range("a", "e\0")));
        assert!(!halves.covers(&range("k", "k\0\0")));
        assert!(!halves.covers(&range("c", "\0")));
        let open = set(&[("\0", "m"), ("m", "\0")]);
        assert!(open.covers(&range("\0", "\0")) && open.covers(&range("a", "\0")));
        assert!(!set(&[("a", "\0")]).covers(&range("\0", "\0")));
        assert!(!set(&[]).covers(&range("a", "")));
    }

    /// The verdict on ranges that hold no key must be other members' verdict.
    #[test]
    fn inverted_ranges_follow_their_first_key() {
        let grants = set(&[("d", "z")]);
        assert!(grants.covers(&range("m", "c")));
        assert!(!grants.covers(&range("c", "b")) && !grants.covers(&range("z", "b")));
    }

    fn key() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(prop::sample::select(vec![0u8, b'a', b'b']), 1..3)
            .prop_map(Bytes::from)
    }

    fn any_range() -> impl Strategy<Value = KeyRange> {
        let end = prop_oneof![
            Just(Bytes::new()),
            Just(Bytes::from_static(b"\0")),
            key(),
            key()
        ];
        (key(), end).prop_map(|(key, end)| KeyRange::new(key, end).unwrap())
    }

    /// All keys of up to four letters: between any two bounds of two letters there is one.
    fn universe() -> Vec<Vec<u8>> {
        let mut keys = vec![Vec::new()];
        let mut all = Vec::new();
        for _ in 0..4 {
            keys = keys
                .iter()
                .flat_map(|key| {
                    [0u8, b'a', b'b', b'c'].map(|letter| [&key[..], &[letter]].concat())
                })
                .collect();
            all.extend(keys.clone());
        }
        all
    }

    proptest! {
        /// A range is covered iff each of its keys is in some grant.
        #[test]
        fn covers_what_its_grants_cover(
            grants in prop::collection::vec(any_range(), 0..6),
            asked in any_range(),
        ) {
            prop_assume!(!asked.is_empty());
            let set = RangeSet::union(grants.iter().cloned());
            let naive = universe()
                .iter()
                .filter(|key| asked.contains(key))
                .all(|key| grants.iter().any(|grant| grant.contains(key)));
            prop_assert_eq!(set.covers(&asked), naive);
        }
    }
}
