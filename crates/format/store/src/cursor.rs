//! Reading and writing little-endian numbers and varints without trusting the bytes.
//!
//! Every read is checked against what is there; nothing here panics on any input.

use types::DecodeRecordError;
use wire::{put_varint, read_varint};

/// Bytes that were read from disk, and how far they are understood.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Bytes that do not mean what they should: where, counted from their beginning, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

impl Damage {
    pub(crate) fn new(at: usize, what: &'static str) -> Self {
        Self { at, what }
    }
}

impl From<DecodeRecordError> for Damage {
    fn from(DecodeRecordError { offset }: DecodeRecordError) -> Self {
        Self::new(offset, "bad field in a record")
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// That the bytes are damaged where the cursor stands.
    pub(crate) fn damage(&self, what: &'static str) -> Damage {
        Damage::new(self.at, what)
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let taken = rest.get(..len)?;
        self.at += len;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        read_varint(self.bytes, &mut self.at)
    }

    /// A varint length and that many bytes.
    #[inline]
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.take(len)
    }
}

pub(crate) fn put_sized(buf: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(buf, bytes.len() as u64);
    buf.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths from a damaged disk must end in an error, not in a slice out of bounds.
    #[test]
    fn short_bytes_are_refused() {
        assert_eq!(Cursor::new(&[0x80]).varint(), None);
        assert_eq!(Cursor::new(&[0xff; 11]).varint(), None);
        assert_eq!(Cursor::new(&[2, 1]).sized(), None);
        assert_eq!(Cursor::new(&[0xff; 10]).sized(), None);
        assert_eq!(Cursor::new(&[1, 2, 3]).u32(), None);
    }
}
