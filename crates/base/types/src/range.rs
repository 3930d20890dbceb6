//! A range of keys, normalised once from a request's `key` and `range_end`.

use std::ops::Bound;

use bytes::Bytes;

/// The keys that a request, a permission or a watcher speaks of.
///
/// Made by [`KeyRange::new`] at decoding; permissions and storage see only this type, so that the
/// special forms of the API are interpreted in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRange {
    /// Exactly one key.
    Point(Bytes),
    /// All keys in `[start, end)`; empty when `end <= start`.
    Span {
        /// First key of the range.
        start: Bytes,
        /// First key after the range; never empty.
        end: Bytes,
    },
    /// All keys `>= start`.
    FromKey(Bytes),
    /// Every key: the from-key form of the smallest key.
    All,
}

/// The request named no key where one is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyKey;

impl KeyRange {
    /// Interprets the API's pair: an empty `range_end` is a point, one zero byte is "from key",
    /// anything else a span. `key` = `range_end` = one zero byte is the whole key space.
    ///
    /// # Errors
    /// [`EmptyKey`] when `key` is empty.
    pub fn new(key: Bytes, range_end: Bytes) -> Result<Self, EmptyKey> {
        if key.is_empty() {
            return Err(EmptyKey);
        }
        Ok(match (key.as_ref(), range_end.as_ref()) {
            (_, b"") => Self::Point(key),
            (b"\0", b"\0") => Self::All,
            (_, b"\0") => Self::FromKey(key),
            _ => Self::Span {
                start: key,
                end: range_end,
            },
        })
    }

    /// The first key that the range can hold.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        match self {
            Self::Point(key) | Self::FromKey(key) | Self::Span { start: key, .. } => key,
            Self::All => b"",
        }
    }

    /// The upper bound of the range.
    #[must_use]
    pub fn end(&self) -> Bound<&[u8]> {
        match self {
            Self::Point(key) => Bound::Included(key),
            Self::Span { end, .. } => Bound::Excluded(end),
            Self::FromKey(_) | Self::All => Bound::Unbounded,
        }
    }

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::Point(point) => point == key,
            Self::Span { start, end } => start <= key && key < end.as_ref(),
            Self::FromKey(start) => start <= key,
            Self::All => true,
        }
    }

    /// Whether no key can lie in the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Span { start, end } if end <= start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &'static str, end: &'static str) -> KeyRange {
        KeyRange::new(Bytes::from(key), Bytes::from(end)).unwrap()
    }

    /// A wrong reading of the special forms would give or take whole key spaces.
    #[test]
    fn special_forms() {
        assert_eq!(KeyRange::new(Bytes::new(), Bytes::from("a")), Err(EmptyKey));
        assert_eq!(range("\0", "\0"), KeyRange::All);
        assert_eq!(range("a", "\0"), KeyRange::FromKey(Bytes::from("a")));
        assert_eq!(range("a", ""), KeyRange::Point(Bytes::from("a")));
        assert!(range("b", "a").is_empty());
        assert!(!range("b", "a").contains(b"a"));
        assert!(range("a", "b").contains(b"a\0"));
        assert!(!range("a", "b").contains(b"b"));
        assert!(range("a", "\0").contains(b"zz"));
        assert!(!range("b", "\0").contains(b"a"));
    }
}
