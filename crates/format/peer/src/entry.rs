//! An entry: `08 type | 10 term | 18 index | 22 len data`; what is zero or empty is left out.

use bytes::{Bytes, BytesMut};
use types::{Entry, EntryKind, Index, Term};
use wire::{Fields, Value, bytes_len, number_len, put_bytes, put_number};

use crate::DecodeError;

pub(crate) fn decode_entry(bytes: &Bytes) -> Result<Entry, DecodeError> {
    let mut entry = Entry::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Number(number)) => entry.kind = kind_of(number)?,
            (2, Value::Number(number)) => entry.term = Term(number),
            (3, Value::Number(number)) => entry.index = Index(number),
            (4, Value::Bytes(data)) => entry.data = bytes.slice_ref(data),
            _ => {}
        }
    }
    Ok(entry)
}

pub(crate) fn put_entry(buf: &mut BytesMut, entry: &Entry) {
    put_number(buf, 1, number_of(entry.kind));
    put_number(buf, 2, entry.term.0);
    put_number(buf, 3, entry.index.0);
    if !entry.data.is_empty() {
        put_bytes(buf, 4, &entry.data);
    }
}

/// How many bytes [`put_entry`] appends.
pub(crate) fn entry_len(entry: &Entry) -> usize {
    let data = match entry.data.len() {
        0 => 0,
        len => bytes_len(len),
    };
    number_len(number_of(entry.kind)) + number_len(entry.term.0) + number_len(entry.index.0) + data
}

fn kind_of(number: u64) -> Result<EntryKind, DecodeError> {
    match number {
        0 => Ok(EntryKind::Normal),
        1 => Ok(EntryKind::ConfChange),
        2 => Ok(EntryKind::ConfChangeV2),
        number => Err(DecodeError::UnknownEntry { number }),
    }
}

fn number_of(kind: EntryKind) -> u64 {
    match kind {
        EntryKind::Normal => 0,
        EntryKind::ConfChange => 1,
        EntryKind::ConfChangeV2 => 2,
    }
}
