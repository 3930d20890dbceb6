//! Writing fields, and how long they will be. Fields are numbered from 1 to 15: one byte of tag.

use bytes::BufMut;

/// Appends a number unless it is zero: absent means zero.
#[inline]
pub fn put_number(buf: &mut impl BufMut, field: u8, number: u64) {
    if number != 0 {
        put_present_number(buf, field, number);
    }
}

/// Appends a number, zero or not.
#[inline]
pub fn put_present_number(buf: &mut impl BufMut, field: u8, number: u64) {
    buf.put_u8(field << 3);
    put_varint(buf, number);
}

/// Appends bytes, even none.
#[inline]
pub fn put_bytes(buf: &mut impl BufMut, field: u8, bytes: &[u8]) {
    put_head(buf, field, bytes.len());
    buf.put_slice(bytes);
}

/// Appends tag and length of a field with a length; its content is the caller's to append.
#[inline]
pub fn put_head(buf: &mut impl BufMut, field: u8, len: usize) {
    buf.put_u8(field << 3 | 2);
    put_varint(buf, len as u64);
}

/// Appends a varint.
#[inline]
pub fn put_varint(buf: &mut impl BufMut, mut number: u64) {
    while number >= 0x80 {
        buf.put_u8(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    buf.put_u8(number.to_le_bytes()[0]);
}

/// How many bytes [`put_number`] appends.
#[inline]
#[must_use]
pub fn number_len(number: u64) -> usize {
    match number {
        0 => 0,
        number => 1 + varint_len(number),
    }
}

/// How many bytes [`put_head`] and a content of `len` bytes take.
#[inline]
#[must_use]
pub fn bytes_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// How many bytes [`put_varint`] appends.
#[inline]
#[must_use]
pub fn varint_len(number: u64) -> usize {
    (number | 1).ilog2() as usize / 7 + 1
}
