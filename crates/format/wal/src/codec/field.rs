//! Protobuf fields, as far as the log needs them.

use super::DecodeError;

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A fixed-width value; no message of the log has one.
    Fixed,
}

/// Iterates over the fields of a message in the order in which they stand.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number and value of the next field.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, DecodeError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let error = DecodeError::Field { offset: self.at };
        self.read().map(Some).ok_or(error)
    }

    fn read(&mut self) -> Option<(u64, Value<'a>)> {
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

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(len).ok()?)?;
        let taken = self.bytes.get(self.at..end)?;
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

/// Appends a number field, zero or not: the caller decides what is left out.
pub(crate) fn put_number(buf: &mut Vec<u8>, field: u8, number: u64) {
    buf.push(field << 3);
    put_varint(buf, number);
}

/// Appends tag and length of a bytes field; the bytes are the caller's to append.
pub(crate) fn put_bytes_head(buf: &mut Vec<u8>, field: u8, len: usize) {
    buf.push(field << 3 | 2);
    put_varint(buf, len as u64);
}

fn put_varint(buf: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buf.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    buf.push(number.to_le_bytes()[0]);
}

/// How many bytes [`put_varint`] appends.
pub(crate) fn varint_len(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length that is computed otherwise than written would shift every frame after it.
    #[test]
    fn varints_have_the_length_they_claim() {
        for shift in 0..64 {
            for number in [1 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut buf = Vec::new();
                put_varint(&mut buf, number);
                assert_eq!(buf.len(), varint_len(number));
                assert_eq!(read_varint(&buf, &mut 0), Some(number));
            }
        }
        assert_eq!(read_varint(&[0xff; 10], &mut 0), None);
    }

    /// Lengths from a damaged disk must not be believed.
    #[test]
    fn damage_is_an_error() {
        for bytes in [
            &b"\x0a\x05abc"[..],
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08",
            b"\x0b",
            b"\x09abc",
            b"\x00\x00",
        ] {
            let error = DecodeError::Field { offset: 0 };
            assert_eq!(Fields::new(bytes).next(), Err(error));
        }
        assert_eq!(Fields::new(b"").next(), Ok(None));
    }
}
