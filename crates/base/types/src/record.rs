//! The stored record: etcd's `mvccpb.KeyValue` in its canonical encoding.
//!
//! ```text
//! 0a len key | 10 create_revision | 18 mod_revision | 20 version | 2a len value | 30 lease
//! ```
//! Ascending fields, minimal varints, zero fields left out. A tombstone holds only the key. The
//! same bytes go to the store, into `RangeResponse.kvs` and into a watch event, so that a read
//! copies them and never encodes again.

use bytes::{Bytes, BytesMut};
use wire::{BadField, Fields, Value, put_bytes, put_number};

use crate::LeaseId;

/// A decoded record; key and value are slices of the encoded bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The key; never empty, except in the mark that an offline restore leaves.
    pub key: Bytes,
    /// Main revision of the put that began this life of the key.
    pub create_revision: i64,
    /// Main revision of this change.
    pub mod_revision: i64,
    /// Number of puts in this life of the key, this one included.
    pub version: i64,
    /// The value.
    pub value: Bytes,
    /// The lease that the key is attached to.
    pub lease: LeaseId,
}

/// A decoded record that borrows the encoded bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// As [`Record::key`].
    pub key: &'a [u8],
    /// As [`Record::create_revision`].
    pub create_revision: i64,
    /// As [`Record::mod_revision`].
    pub mod_revision: i64,
    /// As [`Record::version`].
    pub version: i64,
    /// As [`Record::value`].
    pub value: &'a [u8],
    /// As [`Record::lease`].
    pub lease: LeaseId,
}

/// The bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key-value record: bad field at byte {offset}")]
pub struct DecodeRecordError {
    /// Where in the record decoding stopped.
    pub offset: usize,
}

const KEY: u8 = 1;
const CREATE_REVISION: u8 = 2;
const MOD_REVISION: u8 = 3;
const VERSION: u8 = 4;
const VALUE: u8 = 5;
const LEASE: u8 = 6;

impl Record {
    /// The canonical bytes of this record.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode(
            &self.key,
            [self.create_revision, self.mod_revision, self.version],
            &self.value,
            self.lease,
        )
    }

    /// The canonical bytes of a tombstone.
    #[must_use]
    pub fn encode_tombstone(key: &[u8]) -> Bytes {
        encode(key, [0; 3], b"", LeaseId::NONE)
    }

    /// Reads a record; `key` and `value` share `bytes`.
    ///
    /// # Errors
    /// As [`RecordView::decode`].
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeRecordError> {
        let view = RecordView::decode(bytes)?;
        Ok(Self {
            key: bytes.slice_ref(view.key),
            create_revision: view.create_revision,
            mod_revision: view.mod_revision,
            version: view.version,
            value: bytes.slice_ref(view.value),
            lease: view.lease,
        })
    }
}

impl<'a> RecordView<'a> {
    /// Reads a record.
    ///
    /// Unknown fields are skipped, fields may come in any order.
    ///
    /// # Errors
    /// [`DecodeRecordError`] with the offset of the first bad field.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeRecordError> {
        let mut record = Self::default();
        for field in Fields::new(bytes) {
            let (field, value) = field?;
            match value {
                Value::Number(number) => record.set_number(field, number.cast_signed()),
                Value::Bytes(bytes) if field == u64::from(KEY) => record.key = bytes,
                Value::Bytes(bytes) if field == u64::from(VALUE) => record.value = bytes,
                _ => {}
            }
        }
        Ok(record)
    }

    fn set_number(&mut self, field: u64, number: i64) {
        match u8::try_from(field) {
            Ok(CREATE_REVISION) => self.create_revision = number,
            Ok(MOD_REVISION) => self.mod_revision = number,
            Ok(VERSION) => self.version = number,
            Ok(LEASE) => self.lease = LeaseId(number),
            _ => {}
        }
    }
}

/// Encodes without making a [`Record`] first; `revisions` are create, mod and version.
fn encode(key: &[u8], revisions: [i64; 3], value: &[u8], lease: LeaseId) -> Bytes {
    // Two lengths and four numbers of at most ten bytes, each with its tag.
    let mut buf = BytesMut::with_capacity(key.len() + value.len() + 66);
    put_text(&mut buf, KEY, key);
    for (field, number) in [CREATE_REVISION, MOD_REVISION, VERSION]
        .into_iter()
        .zip(revisions)
    {
        put_number(&mut buf, field, number.cast_unsigned());
    }
    put_text(&mut buf, VALUE, value);
    put_number(&mut buf, LEASE, lease.0.cast_unsigned());
    // A record is kept for long: do not keep the spare room with it.
    Bytes::copy_from_slice(&buf)
}

fn put_text(buf: &mut BytesMut, field: u8, text: &[u8]) {
    if !text.is_empty() {
        put_bytes(buf, field, text);
    }
}

impl From<BadField> for DecodeRecordError {
    fn from(BadField { offset }: BadField) -> Self {
        Self { offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes seen in a real etcd database; `HashKV` covers them.
    #[test]
    fn matches_etcd() {
        let put = Record {
            key: Bytes::from("lk"),
            create_revision: 5,
            mod_revision: 5,
            version: 1,
            value: Bytes::from("lv"),
            lease: LeaseId(0x026e_a1fd_3099_7d0a),
        };
        let bytes = put.encode();
        assert_eq!(
            &bytes[..],
            b"\x0a\x02lk\x10\x05\x18\x05\x20\x01\x2a\x02lv\x30\x8a\xfa\xe5\x84\xd3\xbf\xa8\xb7\x02"
        );
        assert_eq!(Record::decode(&bytes), Ok(put));
        assert_eq!(&Record::encode_tombstone(b"lk")[..], b"\x0a\x02lk");
    }

    /// Bytes from a damaged disk must be named, never read past their end.
    #[test]
    fn refuses_damage() {
        for bytes in [
            &b"\x0a\x05lk"[..],
            b"\x10",
            b"\x0b",
            b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(
                Record::decode(&Bytes::copy_from_slice(bytes)),
                Err(DecodeRecordError { offset: 0 })
            );
        }
        let negative = Record {
            lease: LeaseId(-1),
            ..Record::default()
        };
        assert_eq!(Record::decode(&negative.encode()), Ok(negative));
    }
}
