//! The record inside a frame.
//!
//! ```text
//! 08 type | 10 crc | 1a len data      data is absent in a crc record
//! ```

use wire::{Fields, Value, read_varint};

use super::DecodeError;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Member and cluster; the same bytes in every segment.
    Metadata = 1,
    /// An entry of the raft log.
    Entry = 2,
    /// A hard state.
    State = 3,
    /// The running checksum, at the head of each segment.
    Crc = 4,
    /// A snapshot mark.
    Snapshot = 5,
}

/// A decoded record; its data is a slice of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What `data` is.
    pub kind: RecordKind,
    /// The running checksum after `data`.
    pub crc: u32,
    /// The message of the record.
    pub data: &'a [u8],
}

impl RecordKind {
    fn from_number(number: u64) -> Result<Self, DecodeError> {
        Ok(match number {
            1 => Self::Metadata,
            2 => Self::Entry,
            3 => Self::State,
            4 => Self::Crc,
            5 => Self::Snapshot,
            number => return Err(DecodeError::UnknownRecord { number }),
        })
    }
}

/// Reads a record without checking its checksum.
///
/// # Errors
/// [`DecodeError`] with the first thing that no etcd writes.
pub fn decode_record(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let (mut kind, mut crc, mut data) = (0, 0, &bytes[..0]);
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Number(number)) => kind = number,
            (2, Value::Number(number)) => {
                crc = u32::try_from(number).map_err(|_| DecodeError::WideChecksum { number })?;
            }
            (3, Value::Bytes(bytes)) => data = bytes,
            _ => {}
        }
    }
    let kind = RecordKind::from_number(kind)?;
    Ok(Record { kind, crc, data })
}

/// What the first bytes of a record say about its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadCheck {
    /// The record is as long as its frame says.
    Agrees,
    /// It is not.
    Contradicts,
    /// These bytes do not begin a record.
    Foreign,
    /// There are too few bytes to tell.
    Unknown,
}

/// Compares the length of a record with that of its frame, given the record's first bytes.
pub(crate) fn check_head(prefix: &[u8], record_len: u64) -> HeadCheck {
    let mut at = 0;
    for tag in [0x08, 0x10] {
        match prefix.get(at) {
            None => return HeadCheck::Unknown,
            Some(found) if *found != tag => return HeadCheck::Foreign,
            Some(_) => at += 1,
        }
        if read_varint(prefix, &mut at).is_none() {
            return unread(prefix, at);
        }
    }
    if record_len == at as u64 {
        return HeadCheck::Agrees;
    }
    match prefix.get(at) {
        None => return HeadCheck::Unknown,
        Some(0x1a) => at += 1,
        Some(_) => return HeadCheck::Foreign,
    }
    match read_varint(prefix, &mut at) {
        None => unread(prefix, at),
        Some(len) if record_len.checked_sub(at as u64) == Some(len) => HeadCheck::Agrees,
        Some(_) => HeadCheck::Contradicts,
    }
}

/// A varint could not be read: it is cut off, or it is none.
fn unread(prefix: &[u8], at: usize) -> HeadCheck {
    if at == prefix.len() {
        HeadCheck::Unknown
    } else {
        HeadCheck::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A newer server's record must stop us, not be skipped.
    #[test]
    fn unknown_types_are_refused() {
        for (bytes, number) in [(&b""[..], 0), (b"\x08\x06\x10\x00", 6)] {
            let error = DecodeError::UnknownRecord { number };
            assert_eq!(decode_record(bytes), Err(error));
        }
    }

    /// Damage of a length must be told from a write that was torn.
    #[test]
    fn heads_are_compared_with_the_frame() {
        let entry = b"\x08\x02\x10\xcd\xc0\x9a\xcb\x08\x1a\x04\x10\x02\x18\x04";
        assert_eq!(check_head(entry, 14), HeadCheck::Agrees);
        assert_eq!(check_head(entry, 15), HeadCheck::Contradicts);
        assert_eq!(check_head(entry, 9), HeadCheck::Contradicts);
        for cut in 0..10 {
            assert_eq!(check_head(&entry[..cut], 14), HeadCheck::Unknown);
        }
        assert_eq!(check_head(b"\x08\x04\x10\x00", 4), HeadCheck::Agrees);
        assert_eq!(check_head(b"\0\0\0\0", 4), HeadCheck::Foreign);
    }
}
