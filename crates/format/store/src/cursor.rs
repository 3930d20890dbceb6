//! Reading and writing little-endian numbers and varints without trusting the bytes.
//!
//! Every read is checked against what is there; nothing here panics on any input.

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
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A varint length and that many bytes.
    #[inline]
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.take(len)
    }
}

#[inline]
pub(crate) fn put_varint(buf: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buf.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    buf.push(number.to_le_bytes()[0]);
}

/// How many bytes [`put_varint`] writes.
#[inline]
pub(crate) fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros()).div_ceil(7) as usize
}

pub(crate) fn put_sized(buf: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(buf, bytes.len() as u64);
    buf.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length that is computed wrong would make blocks and accounts disagree with the bytes.
    #[test]
    fn varints_round_trip() {
        for shift in 0..64 {
            for number in [1_u64 << shift, (1 << shift) - 1, !0 >> shift] {
                let mut buf = Vec::new();
                put_varint(&mut buf, number);
                assert_eq!(buf.len(), varint_len(number));
                let mut cursor = Cursor::new(&buf);
                assert_eq!(cursor.varint(), Some(number));
                assert!(cursor.is_empty());
            }
        }
    }

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
