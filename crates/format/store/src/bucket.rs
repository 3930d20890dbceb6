//! The small buckets: all but the one of the revisions.
//!
//! A change is written as one byte (bucket number, `0x80` added for a deletion), varint key length,
//! key, and for a put varint value length, value.

use std::collections::BTreeMap;

use bytes::Bytes;
use types::{Index, Term};
use wire::varint_len;

use crate::cursor::{Cursor, put_sized};

/// A bucket of which the store keeps everything in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Consistent index, term, compaction marks, storage version.
    Meta = 0,
    /// Leases.
    Lease = 1,
    /// Alarms.
    Alarm = 2,
    /// Whether authentication is on, and its revision.
    Auth = 3,
    /// Users.
    AuthUsers = 4,
    /// Roles.
    AuthRoles = 5,
    /// Cluster version and downgrade.
    Cluster = 6,
    /// Members.
    Members = 7,
    /// Ids that can never be members again.
    MembersRemoved = 8,
}

/// The key of the consistent index in [`Bucket::Meta`]: 8 bytes, big endian.
pub(crate) const CONSISTENT_INDEX: &[u8] = b"consistent_index";
/// The key of its term in [`Bucket::Meta`]: 8 bytes, big endian.
pub(crate) const TERM: &[u8] = b"term";

const DELETED: u8 = 0x80;

impl Bucket {
    /// All of them, in the order of their numbers on disk.
    pub const ALL: [Self; 9] = [
        Self::Meta,
        Self::Lease,
        Self::Alarm,
        Self::Auth,
        Self::AuthUsers,
        Self::AuthRoles,
        Self::Cluster,
        Self::Members,
        Self::MembersRemoved,
    ];

    /// The name that etcd gives it in its database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Lease => "lease",
            Self::Alarm => "alarm",
            Self::Auth => "auth",
            Self::AuthUsers => "authUsers",
            Self::AuthRoles => "authRoles",
            Self::Cluster => "cluster",
            Self::Members => "members",
            Self::MembersRemoved => "members_removed",
        }
    }
}

/// A change of a small bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which bucket.
    pub bucket: Bucket,
    /// The key.
    pub key: Bytes,
    /// The value to put, or `None` to delete.
    pub value: Option<Bytes>,
}

/// A change whose bytes stand elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangeRef<'a> {
    pub(crate) bucket: Bucket,
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
}

impl<'a> From<&'a Change> for ChangeRef<'a> {
    fn from(change: &'a Change) -> Self {
        Self {
            bucket: change.bucket,
            key: &change.key,
            value: change.value.as_deref(),
        }
    }
}

impl<'a> ChangeRef<'a> {
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let mark = if self.value.is_none() { DELETED } else { 0 };
        buf.push(self.bucket as u8 | mark);
        put_sized(buf, self.key);
        if let Some(value) = self.value {
            put_sized(buf, value);
        }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let tag = cursor.u8()?;
        let bucket = *Bucket::ALL.get(usize::from(tag & !DELETED))?;
        let key = cursor.sized()?;
        let value = match tag & DELETED {
            0 => Some(cursor.sized()?),
            _ => None,
        };
        Some(Self { bucket, key, value })
    }

    /// The consistent index and its term stand in the batch header and nowhere else.
    pub(crate) fn is_in_header(&self) -> bool {
        self.bucket == Bucket::Meta && (self.key == CONSISTENT_INDEX || self.key == TERM)
    }
}

/// The contents of the small buckets at some consistent index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buckets {
    maps: [BTreeMap<Bytes, Bytes>; Bucket::ALL.len()],
    bytes: u64,
    index: Index,
    term: Term,
}

impl Buckets {
    pub(crate) fn get(&self, bucket: Bucket) -> &BTreeMap<Bytes, Bytes> {
        &self.maps[bucket as usize]
    }

    pub(crate) fn consistent_index(&self) -> (Index, Term) {
        (self.index, self.term)
    }

    /// How many bytes all pairs take when they are written as changes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts or deletes; keeps copies, so that no larger buffer is held by them.
    pub(crate) fn apply(&mut self, change: ChangeRef<'_>) {
        if change.is_in_header() {
            return;
        }
        let key = change.key;
        let map = &mut self.maps[change.bucket as usize];
        let old = match change.value {
            Some(value) => {
                self.bytes += pair_len(key, value);
                let value = Bytes::copy_from_slice(value);
                match map.get_mut(key) {
                    Some(slot) => Some(std::mem::replace(slot, value)),
                    None => map.insert(Bytes::copy_from_slice(key), value),
                }
            }
            None => map.remove(key),
        };
        if let Some(old) = old {
            self.bytes -= pair_len(key, &old);
        }
    }

    /// Sets the consistent index and its term; visible in [`Bucket::Meta`] once it is not zero.
    pub(crate) fn set_consistent_index(&mut self, index: Index, term: Term) {
        if (index, term) == (self.index, self.term) {
            return;
        }
        (self.index, self.term) = (index, term);
        let meta = &mut self.maps[Bucket::Meta as usize];
        for (key, number) in [(CONSISTENT_INDEX, index.0), (TERM, term.0)] {
            let value = Bytes::copy_from_slice(&number.to_be_bytes());
            meta.insert(Bytes::from_static(key), value);
        }
    }

    /// Appends all pairs as changes; returns how many.
    pub(crate) fn write(&self, buf: &mut Vec<u8>) -> u32 {
        let mut count = 0;
        for bucket in Bucket::ALL {
            for (key, value) in self.get(bucket) {
                let change = ChangeRef {
                    bucket,
                    key,
                    value: Some(value),
                };
                if !change.is_in_header() {
                    change.write(buf);
                    count += 1;
                }
            }
        }
        count
    }
}

fn pair_len(key: &[u8], value: &[u8]) -> u64 {
    let lens = varint_len(key.len() as u64) + varint_len(value.len() as u64);
    (1 + lens + key.len() + value.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The account decides when the active segment is rewritten: it must be what is written.
    #[test]
    fn bytes_are_those_of_the_base() {
        let mut buckets = Buckets::default();
        let mut change = |bucket, key: &[u8], value: Option<&[u8]>| {
            buckets.apply(ChangeRef { bucket, key, value });
        };
        change(Bucket::Lease, b"12345678", Some(&[7; 200]));
        change(Bucket::Lease, b"12345678", Some(&[8; 20]));
        change(Bucket::Members, b"a", Some(b""));
        change(Bucket::Members, b"gone", Some(b"x"));
        change(Bucket::Members, b"gone", None);
        change(Bucket::Members, b"never", None);
        change(Bucket::Meta, CONSISTENT_INDEX, Some(b"not this way"));
        buckets.set_consistent_index(Index(5), Term(2));
        let mut buf = Vec::new();
        assert_eq!(buckets.write(&mut buf), 2);
        assert_eq!(buf.len() as u64, buckets.bytes());
        let meta = buckets.get(Bucket::Meta);
        assert_eq!(meta[CONSISTENT_INDEX][..], 5_u64.to_be_bytes());
        assert_eq!(meta[TERM][..], 2_u64.to_be_bytes());
        let mut copy = Buckets::default();
        let mut cursor = Cursor::new(&buf);
        while !cursor.is_empty() {
            copy.apply(ChangeRef::read(&mut cursor).unwrap());
        }
        copy.set_consistent_index(Index(5), Term(2));
        assert_eq!(copy, buckets);
    }
}
