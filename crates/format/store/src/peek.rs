//! The fields of an encoded record that the directory repeats, without decoding the value.
//!
//! Agrees with `types::Record::decode` on every input; a property test holds the two together.

use types::LeaseId;

use crate::cursor::{Cursor, Damage};

/// What the directory keeps of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peeked<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) create_revision: i64,
    pub(crate) version: i64,
    pub(crate) lease: LeaseId,
}

/// Reads the fields in one pass.
pub(crate) fn peek(record: &[u8]) -> Result<Peeked<'_>, Damage> {
    let mut peeked = Peeked::default();
    let mut cursor = Cursor::new(record);
    while !cursor.is_empty() {
        let bad = cursor.damage("bad field in a record");
        let tag = cursor.varint().ok_or(bad)?;
        match tag & 7 {
            0 => {
                let number = cursor.varint().ok_or(bad)?.cast_signed();
                match tag {
                    0x10 => peeked.create_revision = number,
                    0x20 => peeked.version = number,
                    0x30 => peeked.lease = LeaseId(number),
                    _ => {}
                }
            }
            2 => {
                let bytes = cursor.sized().ok_or(bad)?;
                if tag == 0x0a {
                    peeked.key = bytes;
                }
            }
            1 => {
                cursor.take(8).ok_or(bad)?;
            }
            5 => {
                cursor.take(4).ok_or(bad)?;
            }
            _ => return Err(bad),
        }
    }
    Ok(peeked)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use types::Record;

    use super::*;

    /// A directory that disagrees with its records would rebuild another index after a restart.
    fn check_agrees(bytes: &[u8]) {
        let decoded = Record::decode(&Bytes::copy_from_slice(bytes));
        match (peek(bytes), decoded) {
            (Ok(peeked), Ok(record)) => {
                assert_eq!(peeked.key, &record.key[..]);
                assert_eq!(peeked.create_revision, record.create_revision);
                assert_eq!(peeked.version, record.version);
                assert_eq!(peeked.lease, record.lease);
            }
            (Err(damage), Err(error)) => assert_eq!(damage.at, error.offset),
            (peeked, decoded) => panic!("{peeked:?} but {decoded:?}"),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_decode_on_records(
            key in prop::collection::vec(any::<u8>(), 0..20),
            value in prop::collection::vec(any::<u8>(), 0..200),
            numbers in any::<[i64; 4]>(),
        ) {
            let record = Record {
                key: key.into(),
                create_revision: numbers[0],
                mod_revision: numbers[1],
                version: numbers[2],
                value: value.into(),
                lease: LeaseId(numbers[3]),
            };
            check_agrees(&record.encode());
        }

        #[test]
        fn agrees_with_decode_on_anything(bytes in prop::collection::vec(0_u8..64, 0..40)) {
            check_agrees(&bytes);
        }
    }
}
