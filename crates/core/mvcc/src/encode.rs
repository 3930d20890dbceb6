//! Records and events as bytes, in one allocation of the exact size.
//!
//! The record's encoding is that of `types::Record`, byte for byte; it is written here a second
//! time because the write path must neither build a [`types::Record`] nor copy twice.
//!
//! ```text
//! PUT     12 len record
//! DELETE  08 01 12 len [ 0a len key 18 mod_revision ]
//! ```

use bytes::Bytes;
use types::{DecodeRecordError, Event, EventKind, LeaseId, Record, Revision};

use crate::key::Visible;

const KEY: u8 = 0x0a;
const CREATE_REVISION: u8 = 0x10;
const MOD_REVISION: u8 = 0x18;
const VERSION: u8 = 0x20;
const VALUE: u8 = 0x2a;
const LEASE: u8 = 0x30;
const EVENT_KIND_DELETE: [u8; 2] = [0x08, 0x01];
const EVENT_KV: u8 = 0x12;

/// The record of a put, or with an empty value the answer to a read of keys only.
pub(crate) fn record(key: &[u8], visible: Visible, value: &[u8], lease: LeaseId) -> Bytes {
    let Visible {
        revision,
        create,
        version,
    } = visible;
    let len = bytes_len(key)
        + number_len(create)
        + number_len(revision.main)
        + number_len(version)
        + bytes_len(value)
        + number_len(lease.0);
    let mut buf = Vec::with_capacity(len);
    put_bytes(&mut buf, KEY, key);
    put_number(&mut buf, CREATE_REVISION, create);
    put_number(&mut buf, MOD_REVISION, revision.main);
    put_number(&mut buf, VERSION, version);
    put_bytes(&mut buf, VALUE, value);
    put_number(&mut buf, LEASE, lease.0);
    debug_assert_eq!(buf.len(), len);
    Bytes::from(buf)
}

/// The record of a deletion.
pub(crate) fn tombstone(key: &[u8]) -> Bytes {
    let mut buf = Vec::with_capacity(bytes_len(key));
    put_bytes(&mut buf, KEY, key);
    Bytes::from(buf)
}

/// The event of a stored change.
pub(crate) fn event(
    revision: Revision,
    tombstone: bool,
    record: &Bytes,
) -> Result<Event, DecodeRecordError> {
    let decoded = Record::decode(record)?;
    Ok(if tombstone {
        Event {
            kind: EventKind::Delete,
            encoded: delete_event(&decoded.key, revision.main),
            key: decoded.key,
            created: false,
        }
    } else {
        Event {
            kind: EventKind::Put,
            key: decoded.key,
            created: decoded.create_revision == decoded.mod_revision,
            encoded: put_event(record),
        }
    })
}

fn put_event(record: &[u8]) -> Bytes {
    let mut buf = Vec::with_capacity(1 + varint_len(record.len() as u64) + record.len());
    // Unlike a value, an empty record is a present field.
    buf.push(EVENT_KV);
    put_varint(&mut buf, record.len() as u64);
    buf.extend_from_slice(record);
    Bytes::from(buf)
}

fn delete_event(key: &[u8], main: i64) -> Bytes {
    let kv = bytes_len(key) + number_len(main);
    let mut buf = Vec::with_capacity(3 + varint_len(kv as u64) + kv);
    buf.extend_from_slice(&EVENT_KIND_DELETE);
    buf.push(EVENT_KV);
    put_varint(&mut buf, kv as u64);
    put_bytes(&mut buf, KEY, key);
    put_number(&mut buf, MOD_REVISION, main);
    Bytes::from(buf)
}

/// The key of a stored record without decoding the rest; `None` when it does not begin with one.
pub(crate) fn key_of(record: &[u8]) -> Option<&[u8]> {
    let mut rest = record.strip_prefix(&[KEY])?;
    let mut len = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        len |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return rest.get(..usize::try_from(len).ok()?);
        }
    }
    None
}

fn bytes_len(bytes: &[u8]) -> usize {
    match bytes.len() {
        0 => 0,
        len => 1 + varint_len(len as u64) + len,
    }
}

fn number_len(number: i64) -> usize {
    match number {
        0 => 0,
        number => 1 + varint_len(number.cast_unsigned()),
    }
}

fn varint_len(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn put_bytes(buf: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        buf.push(tag);
        put_varint(buf, bytes.len() as u64);
        buf.extend_from_slice(bytes);
    }
}

fn put_number(buf: &mut Vec<u8>, tag: u8, number: i64) {
    if number != 0 {
        buf.push(tag);
        put_varint(buf, number.cast_unsigned());
    }
}

fn put_varint(buf: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buf.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    buf.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Two encodings of one record would make members disagree about HashKV.
        #[test]
        fn records_are_encoded_as_in_types(
            key in proptest::collection::vec(any::<u8>(), 0..200),
            value in proptest::collection::vec(any::<u8>(), 0..200),
            create in any::<i64>(), main in any::<i64>(), version in any::<i64>(), lease in any::<i64>(),
        ) {
            let visible = Visible { revision: Revision::new(main, 0), create, version };
            let got = record(&key, visible, &value, LeaseId(lease));
            let want = Record {
                key: Bytes::from(key.clone()),
                create_revision: create,
                mod_revision: main,
                version,
                value: Bytes::from(value),
                lease: LeaseId(lease),
            };
            prop_assert_eq!(&got, &want.encode());
            prop_assert_eq!(tombstone(&key), Record::encode_tombstone(&key));
            if !key.is_empty() {
                prop_assert_eq!(key_of(&got), Some(&key[..]));
            }
        }

        /// Bytes from a damaged disk must not stop the member.
        #[test]
        fn any_bytes_have_a_key_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(key) = key_of(&bytes) {
                prop_assert!(key.len() < bytes.len());
            }
        }
    }

    /// A client decodes these bytes as `mvccpb.Event`.
    #[test]
    fn events_are_framed() {
        let at = |create| Visible {
            revision: Revision::new(5, 0),
            create,
            version: 1,
        };
        let put = event(
            Revision::new(5, 0),
            false,
            &record(b"k", at(5), b"v", LeaseId(7)),
        )
        .unwrap();
        assert_eq!(
            &put.encoded[..],
            b"\x12\x0e\x0a\x01k\x10\x05\x18\x05\x20\x01\x2a\x01v\x30\x07"
        );
        assert_eq!(
            (put.kind, put.created, &put.key[..]),
            (EventKind::Put, true, &b"k"[..])
        );
        let put = event(
            Revision::new(5, 0),
            false,
            &record(b"k", at(4), b"", LeaseId(0)),
        )
        .unwrap();
        assert!(!put.created);
        let delete = event(Revision::new(300, 1), true, &tombstone(b"k")).unwrap();
        assert_eq!(
            &delete.encoded[..],
            b"\x08\x01\x12\x06\x0a\x01k\x18\xac\x02"
        );
        assert_eq!((delete.kind, delete.created), (EventKind::Delete, false));
    }
}
