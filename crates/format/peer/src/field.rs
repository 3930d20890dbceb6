//! Protobuf fields, as far as peers need them; payloads are slices of what was received.

use bytes::{BufMut, Bytes, BytesMut};

use crate::DecodeError;

/// The value of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Bytes(Bytes),
    /// A fixed-width value; no message between members has one.
    Fixed,
}

/// Iterates over the fields of a message in the order in which they stand.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number and value of the next field.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value)>, DecodeError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let error = DecodeError::Field { offset: self.at };
        self.read().map(Some).ok_or(error)
    }

    fn read(&mut self) -> Option<(u64, Value)> {
        let tag = read_varint(self.bytes, &mut self.at)?;
        let value = match tag & 7 {
            0 => Value::Number(read_varint(self.bytes, &mut self.at)?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let len = read_varint(self.bytes, &mut self.at)?;
                Value::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        (tag >= 8).then_some((tag >> 3, value))
    }

    fn take(&mut self, len: u64) -> Option<Bytes> {
        let end = self.at.checked_add(usize::try_from(len).ok()?)?;
        if end > self.bytes.len() {
            return None;
        }
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Some(taken)
    }
}

pub(crate) fn read_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
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

/// Appends a number field unless it is zero: absent means zero.
pub(crate) fn put_number(buf: &mut BytesMut, field: u8, number: u64) {
    if number != 0 {
        buf.put_u8(field << 3);
        put_varint(buf, number);
    }
}

/// Appends a bytes field, even an empty one.
pub(crate) fn put_bytes(buf: &mut BytesMut, field: u8, bytes: &[u8]) {
    put_head(buf, field, bytes.len());
    buf.put_slice(bytes);
}

/// Appends tag and length of a field with a length; its content is the caller's to append.
pub(crate) fn put_head(buf: &mut BytesMut, field: u8, len: usize) {
    buf.put_u8(field << 3 | 2);
    put_varint(buf, len as u64);
}

fn put_varint(buf: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        buf.put_u8(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    buf.put_u8(number.to_le_bytes()[0]);
}

/// How many bytes [`put_number`] appends.
pub(crate) fn number_len(number: u64) -> usize {
    match number {
        0 => 0,
        number => 1 + varint_len(number),
    }
}

/// How many bytes [`put_head`] and a content of `len` bytes take.
pub(crate) fn bytes_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

fn varint_len(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length that is computed otherwise than written would shift every frame after it.
    #[test]
    fn numbers_have_the_length_they_claim() {
        for shift in 0..64 {
            for number in [1 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut buf = BytesMut::new();
                put_number(&mut buf, 1, number);
                assert_eq!(buf.len(), number_len(number));
                let read = Fields::new(&buf.freeze()).next().unwrap();
                let want = (number != 0).then_some((1, Value::Number(number)));
                assert_eq!(read, want);
            }
        }
        assert_eq!(read_varint(&[0xff; 10], &mut 0), None);
    }

    /// Lengths from a peer must not be believed.
    #[test]
    fn garbage_is_an_error() {
        for bytes in [
            &b"\x0a\x05abc"[..],
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08",
            b"\x0b",
            b"\x09abc",
            b"\x00\x00",
        ] {
            let error = DecodeError::Field { offset: 0 };
            assert_eq!(Fields::new(&Bytes::from_static(bytes)).next(), Err(error));
        }
        assert_eq!(Fields::new(&Bytes::new()).next(), Ok(None));
    }
}
