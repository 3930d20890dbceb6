//! The stored record: etcd's `mvccpb.KeyValue` in its canonical encoding.
//!
//! ```text
//! 0a len key | 10 create_revision | 18 mod_revision | 20 version | 2a len value | 30 lease
//! ```
//! Ascending fields, minimal varints, zero fields left out. A tombstone holds only the key. The
//! same bytes go to the store, into `RangeResponse.kvs` and into a watch event, so that a read
//! copies them and never encodes again.

use bytes::{BufMut, Bytes, BytesMut};

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

/// The bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key-value record: bad field at byte {offset}")]
pub struct DecodeRecordError {
    /// Where in the record decoding stopped.
    pub offset: usize,
}

const KEY: u8 = 0x0a;
const CREATE_REVISION: u8 = 0x10;
const MOD_REVISION: u8 = 0x18;
const VERSION: u8 = 0x20;
const VALUE: u8 = 0x2a;
const LEASE: u8 = 0x30;

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
    /// Unknown fields are skipped, fields may come in any order.
    ///
    /// # Errors
    /// [`DecodeRecordError`] with the offset of the first bad field.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeRecordError> {
        let mut record = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let offset = at;
            let error = DecodeRecordError { offset };
            let tag = read_varint(bytes, &mut at).ok_or(error)?;
            match tag & 7 {
                0 => {
                    let number = read_varint(bytes, &mut at).ok_or(error)?.cast_signed();
                    match u8::try_from(tag) {
                        Ok(CREATE_REVISION) => record.create_revision = number,
                        Ok(MOD_REVISION) => record.mod_revision = number,
                        Ok(VERSION) => record.version = number,
                        Ok(LEASE) => record.lease = LeaseId(number),
                        _ => {}
                    }
                }
                2 => {
                    let len = read_varint(bytes, &mut at)
                        .and_then(|len| usize::try_from(len).ok())
                        .filter(|len| *len <= bytes.len() - at)
                        .ok_or(error)?;
                    match u8::try_from(tag) {
                        Ok(KEY) => record.key = bytes.slice(at..at + len),
                        Ok(VALUE) => record.value = bytes.slice(at..at + len),
                        _ => {}
                    }
                    at += len;
                }
                1 if bytes.len() - at >= 8 => at += 8,
                5 if bytes.len() - at >= 4 => at += 4,
                _ => return Err(error),
            }
        }
        Ok(record)
    }
}

/// Encodes without making a [`Record`] first; `revisions` are create, mod and version.
fn encode(key: &[u8], revisions: [i64; 3], value: &[u8], lease: LeaseId) -> Bytes {
    // Two lengths and four numbers of at most ten bytes, each with its tag.
    let mut buf = BytesMut::with_capacity(key.len() + value.len() + 66);
    put_bytes(&mut buf, KEY, key);
    for (tag, number) in [CREATE_REVISION, MOD_REVISION, VERSION]
        .into_iter()
        .zip(revisions)
    {
        put_number(&mut buf, tag, number);
    }
    put_bytes(&mut buf, VALUE, value);
    put_number(&mut buf, LEASE, lease.0);
    // A record is kept for long: do not keep the spare room with it.
    Bytes::copy_from_slice(&buf)
}

fn put_bytes(buf: &mut BytesMut, tag: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        buf.put_u8(tag);
        put_varint(buf, bytes.len() as u64);
        buf.put_slice(bytes);
    }
}

fn put_number(buf: &mut BytesMut, tag: u8, number: i64) {
    if number != 0 {
        buf.put_u8(tag);
        put_varint(buf, number.cast_unsigned());
    }
}

fn put_varint(buf: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        buf.put_u8(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    buf.put_u8(number.to_le_bytes()[0]);
}

fn read_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
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
