//! Reading a message field by field.

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A varint.
    Number(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// A value of fixed width; none of the messages read here has one.
    Fixed,
}

/// A field is cut off, or of an impossible number or type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad field at byte {offset} of the message")]
pub struct BadField {
    /// Where the field begins.
    pub offset: usize,
}

/// The numbers and values of the fields of a message, in the order in which they stand; the first
/// bad field is the last item.
#[derive(Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a message.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    #[inline]
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

    #[inline]
    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(len).ok()?)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), BadField>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.bytes.len() {
            return None;
        }
        let error = BadField { offset: self.at };
        let field = self.read().ok_or(error);
        if field.is_err() {
            self.at = self.bytes.len();
        }
        Some(field)
    }
}

/// The varint at `at`, which then stands behind it; `None` when it is cut off, and `at` stands at
/// the end, or longer than ten bytes.
#[inline]
pub fn read_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
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
