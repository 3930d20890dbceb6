//! Values to frames: everything that a flush writes, in one reused buffer.
//!
//! ```text
//! u64 LE  bits 0..55 record length n | bits 56..58 padding p | bit 63 set iff p != 0
//! n       record
//! p       zeros up to a multiple of 8
//! ```
//! Each record stores the running CRC-32C over the data of all records before it and its own; the
//! value runs on across segments. A payload is read twice (checksum, copy) and copied once.

use types::{Entry, HardState, SnapshotMark};
use wire::{put_head, put_present_number, varint_len};

use crate::codec::{RecordKind, put_entry_head, put_snapshot, put_state};

/// A buffer that grew beyond this for one large flush is given back after it.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

/// The frames that wait to be written, and the running checksum after them.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    buf: Vec<u8>,
    /// The message of a record, or all of it but the payload.
    scratch: Vec<u8>,
    crc: u32,
}

impl Encoder {
    /// Continues after a record with this checksum.
    pub(crate) fn new(crc: u32) -> Self {
        Self {
            crc,
            ..Self::default()
        }
    }

    /// The frames waiting.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// Forgets the frames, which are written.
    pub(crate) fn clear(&mut self) {
        self.buf.clear();
        self.buf.shrink_to(BUFFER_KEPT_BYTES);
    }

    /// The record that heads a segment and carries the checksum so far.
    pub(crate) fn put_crc(&mut self) {
        let record_len = 1 + 1 + 1 + varint_len(self.crc.into());
        self.put_frame(RecordKind::Crc, record_len, &[]);
    }

    pub(crate) fn put_metadata(&mut self, raw: &[u8]) {
        self.put_record(RecordKind::Metadata, |_| {}, raw);
    }

    pub(crate) fn put_entry(&mut self, entry: &Entry) {
        self.put_record(
            RecordKind::Entry,
            |buf| put_entry_head(buf, entry),
            &entry.data,
        );
    }

    pub(crate) fn put_state(&mut self, state: &HardState) {
        self.put_record(RecordKind::State, |buf| put_state(buf, state), &[]);
    }

    pub(crate) fn put_snapshot(&mut self, mark: &SnapshotMark) {
        self.put_record(RecordKind::Snapshot, |buf| put_snapshot(buf, mark), &[]);
    }

    /// A record whose data is what `put_head` appends, then `payload`.
    fn put_record(
        &mut self,
        kind: RecordKind,
        put_head: impl FnOnce(&mut Vec<u8>),
        payload: &[u8],
    ) {
        self.scratch.clear();
        put_head(&mut self.scratch);
        self.crc = crc32c::crc32c_append(self.crc, &self.scratch);
        self.crc = crc32c::crc32c_append(self.crc, payload);
        let data_len = self.scratch.len() + payload.len();
        let head_len = 1 + 1 + 1 + varint_len(self.crc.into()) + 1 + varint_len(data_len as u64);
        let scratch = std::mem::take(&mut self.scratch);
        self.put_frame(kind, head_len + data_len, &[&scratch, payload]);
        self.scratch = scratch;
    }

    /// Length word, record and padding; `data` is absent in a crc record.
    fn put_frame(&mut self, kind: RecordKind, record_len: usize, data: &[&[u8]]) {
        let padding = record_len.wrapping_neg() % 8;
        let mut word = record_len as u64;
        if padding != 0 {
            word |= (0x80 | padding as u64) << 56;
        }
        self.buf.reserve(8 + record_len + padding);
        let begin = self.buf.len();
        self.buf.extend_from_slice(&word.to_le_bytes());
        put_present_number(&mut self.buf, 1, kind as u64);
        put_present_number(&mut self.buf, 2, self.crc.into());
        if !data.is_empty() {
            let data_len = data.iter().map(|part| part.len()).sum();
            put_head(&mut self.buf, 3, data_len);
        }
        for part in data {
            self.buf.extend_from_slice(part);
        }
        assert_eq!(
            self.buf.len() - begin,
            8 + record_len,
            "a record has the length that its frame claims"
        );
        self.buf.resize(self.buf.len() + padding, 0);
    }
}

#[cfg(test)]
mod tests;
