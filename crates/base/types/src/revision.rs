//! Revisions and the key under which a revision's record is stored.

use std::fmt;

/// A point in the store's history: `main` numbers the transaction, `sub` the change in it.
///
/// An empty store is at main revision 1; the first write makes revision 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// The transaction.
    pub main: i64,
    /// The change inside the transaction: 0, 1, 2…
    pub sub: i64,
}

impl Revision {
    /// The revision `main.sub`.
    #[must_use]
    pub const fn new(main: i64, sub: i64) -> Self {
        Self { main, sub }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.main, self.sub)
    }
}

/// The key of a record in etcd's `key` bucket.
///
/// ```text
/// 0..8   main, big endian
/// 8      '_'
/// 9..17  sub, big endian
/// 17     't', only for a deletion
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// The revision of the change.
    pub revision: Revision,
    /// Whether the change is a deletion.
    pub tombstone: bool,
}

/// The bytes are not a revision key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a revision key")]
pub struct DecodeRevisionError;

impl RecordKey {
    /// Calls `f` with the encoded key: 17 bytes, 18 for a deletion.
    pub fn with_bytes<T>(&self, f: impl FnOnce(&[u8]) -> T) -> T {
        let mut buf = [0; 18];
        buf[..8].copy_from_slice(&self.revision.main.to_be_bytes());
        buf[8] = b'_';
        buf[9..17].copy_from_slice(&self.revision.sub.to_be_bytes());
        buf[17] = b't';
        f(if self.tombstone { &buf } else { &buf[..17] })
    }

    /// Reads a key back.
    ///
    /// # Errors
    /// [`DecodeRevisionError`] for any other length, separator, mark or a negative number.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeRevisionError> {
        let (fixed, tombstone) = match bytes.len() {
            17 => (bytes, false),
            18 if bytes[17] == b't' => (&bytes[..17], true),
            _ => return Err(DecodeRevisionError),
        };
        let number = |part: &[u8]| part.try_into().map(i64::from_be_bytes).ok();
        match (number(&fixed[..8]), fixed[8], number(&fixed[9..])) {
            (Some(main), b'_', Some(sub)) if main >= 0 && sub >= 0 => Ok(Self {
                revision: Revision { main, sub },
                tombstone,
            }),
            _ => Err(DecodeRevisionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `HashKV` covers these bytes: a change here would split a mixed cluster.
    #[test]
    fn record_keys_round_trip() {
        let put = RecordKey {
            revision: Revision::new(5, 0),
            tombstone: false,
        };
        put.with_bytes(|b| assert_eq!(b, b"\0\0\0\0\0\0\0\x05_\0\0\0\0\0\0\0\0"));
        let delete = RecordKey {
            revision: Revision::new(6, 1),
            tombstone: true,
        };
        delete.with_bytes(|b| assert_eq!(b, b"\0\0\0\0\0\0\0\x06_\0\0\0\0\0\0\0\x01t"));
        for key in [put, delete] {
            assert_eq!(key.with_bytes(RecordKey::decode), Ok(key));
        }
        assert_eq!(RecordKey::decode(b"short"), Err(DecodeRevisionError));
        assert_eq!(RecordKey::decode(&[0xff; 17]), Err(DecodeRevisionError));
    }
}
