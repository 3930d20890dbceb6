//! An entry: `08 type | 10 term | 18 index | 22 len data`.
//!
//! As etcd 3.7 writes it, the type is left out when it is normal and the data when it is empty;
//! earlier versions write every number.

use types::{EntryKind, Index, Term};
use wire::{Fields, Value, put_head, put_present_number};

use super::DecodeError;

/// A decoded entry whose data is still a slice of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// What `data` is.
    pub kind: EntryKind,
    /// The term in which it was appended.
    pub term: Term,
    /// Its position.
    pub index: Index,
    /// The payload.
    pub data: &'a [u8],
}

/// Appends everything of an entry but the data itself.
pub(crate) fn put_entry_head(buf: &mut Vec<u8>, entry: &types::Entry) {
    let kind = match entry.kind {
        EntryKind::Normal => None,
        EntryKind::ConfChange => Some(1),
        EntryKind::ConfChangeV2 => Some(2),
    };
    if let Some(kind) = kind {
        put_present_number(buf, 1, kind);
    }
    put_present_number(buf, 2, entry.term.0);
    put_present_number(buf, 3, entry.index.0);
    if !entry.data.is_empty() {
        put_head(buf, 4, entry.data.len());
    }
}

/// Reads the data of an entry record.
///
/// # Errors
/// [`DecodeError`] when it is none, or of an unknown kind.
pub fn decode_entry(bytes: &[u8]) -> Result<EntryView<'_>, DecodeError> {
    let mut entry = EntryView::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Number(number)) => {
                entry.kind = match number {
                    0 => EntryKind::Normal,
                    1 => EntryKind::ConfChange,
                    2 => EntryKind::ConfChangeV2,
                    number => return Err(DecodeError::UnknownEntry { number }),
                }
            }
            (2, Value::Number(number)) => entry.term = Term(number),
            (3, Value::Number(number)) => entry.index = Index(number),
            (4, Value::Bytes(bytes)) => entry.data = bytes,
            _ => {}
        }
    }
    Ok(entry)
}
