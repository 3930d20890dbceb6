//! One permission of a role.

use bytes::Bytes;
use types::KeyRange;

const READ: i32 = 0;
const WRITE: i32 = 1;
const READ_WRITE: i32 = 2;

/// The end of a range that has none.
const OPEN_END: &[u8] = b"\0";

/// What a role may do with a range of keys, in the API's form: it is stored and shown as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Read 0, write 1, both 2; other numbers are kept and grant nothing.
    pub kind: i32,
    /// First key.
    pub key: Bytes,
    /// Empty for one key, one zero byte for no end.
    pub range_end: Bytes,
}

impl Permission {
    /// What the role `root` shows: everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            kind: READ_WRITE,
            key: Bytes::new(),
            range_end: Bytes::from_static(OPEN_END),
        }
    }

    /// Whether it lets read.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.kind, READ | READ_WRITE)
    }

    /// Whether it lets write.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.kind, WRITE | READ_WRITE)
    }

    /// The keys it speaks of; none for a stored permission without a key.
    #[must_use]
    pub fn range(&self) -> Option<KeyRange> {
        KeyRange::new(self.key.clone(), self.range_end.clone()).ok()
    }

    /// Whether it may be granted: it names a key, and its range can hold one.
    pub(crate) fn is_grantable(&self) -> bool {
        self.range().is_some_and(|range| !range.is_empty())
    }

    /// Whether it is for exactly this pair.
    pub(crate) fn is_for(&self, key: &[u8], range_end: &[u8]) -> bool {
        self.key == key && self.range_end == range_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(key: &'static str, range_end: &'static str) -> Permission {
        Permission {
            kind: READ,
            key: Bytes::from(key),
            range_end: Bytes::from(range_end),
        }
    }

    /// An empty range that was stored would be counted as a grant by other members' code.
    #[test]
    fn empty_ranges_are_not_grantable() {
        let cases = [
            ("a", "", true),
            ("a", "b", true),
            ("a", "\0", true),
            ("\0", "\0", true),
            ("", "", false),
            ("", "b", false),
            ("b", "b", false),
            ("b", "a", false),
        ];
        for (key, end, grantable) in cases {
            assert_eq!(
                permission(key, end).is_grantable(),
                grantable,
                "{key:?} {end:?}"
            );
        }
    }
}
