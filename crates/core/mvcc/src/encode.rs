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
use wire::{bytes_len, number_len, put_bytes, put_head, put_number, read_varint};

use crate::key::Visible;

const KEY: u8 = 1;
const CREATE_REVISION: u8 = 2;
const MOD_REVISION: u8 = 3;
const VERSION: u8 = 4;
const VALUE: u8 = 5;
const LEASE: u8 = 6;
const KEY_TAG: u8 = KEY << 3 | 2;
const EVENT_KIND_DELETE: [u8; 2] = [0x08, 0x01];
const EVENT_KV: u8 = 2;

/// The record of a put, or with an empty value the answer to a read of keys only.
pub(crate) fn record(key: &[u8], visible: Visible, value: &[u8], lease: LeaseId) -> Bytes {
    let Visible {
        revision,
        create,
        version,
    } = visible;
    let len = text_len(key)
        + number_len(create.cast_unsigned())
        + number_len(revision.main.cast_unsigned())
        + number_len(version.cast_unsigned())
        + text_len(value)
        + number_len(lease.0.cast_unsigned());
    let mut buf = Vec::with_capacity(len);
    put_text(&mut buf, KEY, key);
    put_number(&mut buf, CREATE_REVISION, create.cast_unsigned());
    put_number(&mut buf, MOD_REVISION, revision.main.cast_unsigned());
    put_number(&mut buf, VERSION, version.cast_unsigned());
    put_text(&mut buf, VALUE, value);
    put_number(&mut buf, LEASE, lease.0.cast_unsigned());
    debug_assert_eq!(buf.len(), len);
    Bytes::from(buf)
}

/// The record of a deletion.
pub(crate) fn tombstone(key: &[u8]) -> Bytes {
    let mut buf = Vec::with_capacity(text_len(key));
    put_text(&mut buf, KEY, key);
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
    let mut buf = Vec::with_capacity(bytes_len(record.len()));
    // Unlike a value, an empty record is a present field.
    put_bytes(&mut buf, EVENT_KV, record);
    Bytes::from(buf)
}

fn delete_event(key: &[u8], main: i64) -> Bytes {
    let main = main.cast_unsigned();
    let kv = text_len(key) + number_len(main);
    let mut buf = Vec::with_capacity(EVENT_KIND_DELETE.len() + bytes_len(kv));
    buf.extend_from_slice(&EVENT_KIND_DELETE);
    put_head(&mut buf, EVENT_KV, kv);
    put_text(&mut buf, KEY, key);
    put_number(&mut buf, MOD_REVISION, main);
    Bytes::from(buf)
}

/// The key of a stored record without decoding the rest; `None` when it does not begin with one.
pub(crate) fn key_of(record: &[u8]) -> Option<&[u8]> {
    let rest = record.strip_prefix(&[KEY_TAG])?;
    let mut at = 0;
    let len = read_varint(rest, &mut at)?;
    rest[at..].get(..usize::try_from(len).ok()?)
}

fn text_len(text: &[u8]) -> usize {
    match text.len() {
        0 => 0,
        len => bytes_len(len),
    }
}

fn put_text(buf: &mut Vec<u8>, field: u8, text: &[u8]) {
    if !text.is_empty() {
        put_bytes(buf, field, text);
    }
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
