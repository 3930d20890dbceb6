//! Batches: what one commit appends, and the base that begins a log segment.
//!
//! ```text
//! 0   8   "mgBATCH\0"
//! 8   8   salt of the segment
//! 16  8   number of the batch in its segment; the base is 0
//! 24  8   length of the whole batch
//! 32  8   length of its blocks
//! 40  4   number of records
//! 44  4   number of bucket changes
//! 48  8   consistent index
//! 56  8   term of that index
//! 64  16  newest revision of the store once the batch counts: main, sub
//! 80  12  reserved
//! 92  4   checksum of 0..92
//! 96      blocks, bucket changes
//!     4   "mgBE"
//!     4   checksum of everything from the header to and including the mark
//! ```

use types::{Index, Revision, Term};

use crate::cursor::Cursor;

/// The length of the header.
pub(crate) const BATCH_HEADER_LEN: usize = 96;
/// The length of mark and checksum at the end.
pub(crate) const BATCH_END_LEN: usize = 8;

/// What every header begins with.
pub(crate) const BATCH_MAGIC: &[u8; 8] = b"mgBATCH\0";
const END_MARK: &[u8; 4] = b"mgBE";

/// The header of a batch; the lengths are computed when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) salt: u64,
    pub(crate) number: u64,
    pub(crate) len: u64,
    pub(crate) blocks_len: u64,
    pub(crate) records: u32,
    pub(crate) changes: u32,
    pub(crate) index: Index,
    pub(crate) term: Term,
    pub(crate) newest: Revision,
}

/// A batch that is being written at the end of a buffer.
#[derive(Debug)]
pub(crate) struct BatchWriter {
    start: usize,
    blocks_end: usize,
}

impl BatchWriter {
    /// Leaves room for the header; blocks follow.
    pub(crate) fn begin(buf: &mut Vec<u8>) -> Self {
        let start = buf.len();
        buf.extend_from_slice(&[0; BATCH_HEADER_LEN]);
        Self {
            start,
            blocks_end: buf.len(),
        }
    }

    /// All blocks are in the buffer; bucket changes follow.
    pub(crate) fn end_blocks(&mut self, buf: &[u8]) {
        self.blocks_end = buf.len();
    }

    /// Completes the batch; the lengths in `header` are replaced.
    pub(crate) fn finish(self, buf: &mut Vec<u8>, header: BatchHeader) {
        let start = self.start;
        let header = BatchHeader {
            len: (buf.len() + BATCH_END_LEN - start) as u64,
            blocks_len: (self.blocks_end - start - BATCH_HEADER_LEN) as u64,
            ..header
        };
        buf[start..start + BATCH_HEADER_LEN].copy_from_slice(&header.encode());
        buf.extend_from_slice(END_MARK);
        let checksum = crc32c::crc32c(&buf[start..]);
        buf.extend_from_slice(&checksum.to_le_bytes());
    }
}

impl BatchHeader {
    fn encode(&self) -> [u8; BATCH_HEADER_LEN] {
        let mut bytes = [0; BATCH_HEADER_LEN];
        bytes[..8].copy_from_slice(BATCH_MAGIC);
        let counts = u64::from(self.records) | (u64::from(self.changes) << 32);
        let numbers = [
            self.salt,
            self.number,
            self.len,
            self.blocks_len,
            counts,
            self.index.0,
            self.term.0,
            self.newest.main.cast_unsigned(),
            self.newest.sub.cast_unsigned(),
        ];
        for (slot, number) in bytes[8..80].chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&bytes[..92]);
        bytes[92..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`, if there is a valid one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.get(..BATCH_HEADER_LEN)?.split_at(92);
        if !body.starts_with(BATCH_MAGIC) || crc32c::crc32c(body).to_le_bytes() != checksum {
            return None;
        }
        let mut cursor = Cursor::new(&body[8..]);
        Some(Self {
            salt: cursor.u64()?,
            number: cursor.u64()?,
            len: cursor.u64()?,
            blocks_len: cursor.u64()?,
            records: cursor.u32()?,
            changes: cursor.u32()?,
            index: Index(cursor.u64()?),
            term: Term(cursor.u64()?),
            newest: Revision {
                main: cursor.i64()?,
                sub: cursor.i64()?,
            },
        })
    }
}

/// Whether `bytes`, from header to end mark, are as they were written.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let Some((body, checksum)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    body.ends_with(END_MARK) && crc32c::crc32c(body).to_le_bytes() == *checksum
}
