//! The stored form of a lease, in etcd's `lease` bucket.
//!
//! ```text
//! key    id, 8 bytes big endian
//! value  08 id | 10 ttl | 18 remaining      zero fields left out, seconds, plain varints
//! ```

use bytes::{Bytes, BytesMut};
use types::LeaseId;
use wire::{BadField, Fields, Value, put_number};

/// What survives a restart of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// The lease.
    pub id: LeaseId,
    /// Granted time to live in seconds.
    pub ttl: i64,
    /// Seconds left at the last checkpoint; zero when there is none.
    pub remaining: i64,
}

/// The bytes are not a lease record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeLeaseError {
    /// The bucket key has not eight bytes.
    #[error("lease key has {len} bytes instead of 8")]
    KeyLength {
        /// Its length.
        len: usize,
    },
    /// The value is not a protobuf message of the known fields.
    #[error("not a lease record: bad field at byte {offset}")]
    Value {
        /// Where decoding stopped.
        offset: usize,
    },
    /// Key and value speak of different leases.
    #[error("lease record of {value} is stored under {key}")]
    Mismatch {
        /// The lease of the bucket key.
        key: LeaseId,
        /// The lease of the value.
        value: LeaseId,
    },
}

const ID: u8 = 1;
const TTL: u8 = 2;
const REMAINING: u8 = 3;

impl LeaseRecord {
    /// The key in the bucket.
    #[must_use]
    pub fn key(id: LeaseId) -> [u8; 8] {
        id.0.to_be_bytes()
    }

    /// The value in the bucket.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut buf = BytesMut::with_capacity(33);
        for (field, number) in [
            (ID, self.id.0),
            (TTL, self.ttl),
            (REMAINING, self.remaining),
        ] {
            put_number(&mut buf, field, number.cast_unsigned());
        }
        Bytes::copy_from_slice(&buf)
    }

    /// Reads a pair of the bucket.
    ///
    /// Unknown fields are skipped, fields may come in any order.
    ///
    /// # Errors
    /// [`DecodeLeaseError`] when the bytes are damaged.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeLeaseError> {
        let id =
            <[u8; 8]>::try_from(key).map_err(|_| DecodeLeaseError::KeyLength { len: key.len() })?;
        let id = LeaseId(i64::from_be_bytes(id));
        let record = decode_value(value)?;
        if record.id != id {
            return Err(DecodeLeaseError::Mismatch {
                key: id,
                value: record.id,
            });
        }
        Ok(record)
    }
}

fn decode_value(value: &[u8]) -> Result<LeaseRecord, DecodeLeaseError> {
    let mut record = LeaseRecord {
        id: LeaseId::NONE,
        ttl: 0,
        remaining: 0,
    };
    for field in Fields::new(value) {
        let (field, value) = field?;
        let Value::Number(number) = value else {
            continue;
        };
        let number = number.cast_signed();
        match u8::try_from(field) {
            Ok(ID) => record.id = LeaseId(number),
            Ok(TTL) => record.ttl = number,
            Ok(REMAINING) => record.remaining = number,
            _ => {}
        }
    }
    Ok(record)
}

impl From<BadField> for DecodeLeaseError {
    fn from(BadField { offset }: BadField) -> Self {
        Self::Value { offset }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes seen in a real etcd database: a lease written otherwise would split `Hash`.
    #[test]
    fn matches_etcd() {
        let record = LeaseRecord {
            id: LeaseId(0x026e_a1fd_3099_7d0a),
            ttl: 600,
            remaining: 0,
        };
        let key = LeaseRecord::key(record.id);
        assert_eq!(key, [0x02, 0x6e, 0xa1, 0xfd, 0x30, 0x99, 0x7d, 0x0a]);
        let value = record.encode();
        assert_eq!(
            &value[..],
            b"\x08\x8a\xfa\xe5\x84\xd3\xbf\xa8\xb7\x02\x10\xd8\x04"
        );
        assert_eq!(LeaseRecord::decode(&key, &value), Ok(record));
    }

    proptest! {
        /// A lease that does not come back after a restart would keep its keys for ever.
        #[test]
        fn round_trips(id: i64, ttl: i64, remaining: i64) {
            let record = LeaseRecord { id: LeaseId(id), ttl, remaining };
            let key = LeaseRecord::key(record.id);
            prop_assert_eq!(LeaseRecord::decode(&key, &record.encode()), Ok(record));
        }

        /// Bytes from a damaged disk must be refused, never panic.
        #[test]
        fn survives_any_bytes(value: Vec<u8>) {
            let _ = LeaseRecord::decode(&[0; 8], &value);
        }
    }
}
