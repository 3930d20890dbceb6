//! Frames to records: reads one segment and tells a torn write from damage.
//!
//! # Torn or damaged
//! A write that the power cut is missing some of its 512-byte sectors, and what is missing reads as
//! zeros, because the file was zero there. Only the end of the last segment can be torn. etcd's
//! rule, kept here: a bad frame is torn iff one of the sector-sized chunks of its record and
//! padding is all zeros, or the file ends inside it.
//!
//! Two more checks refuse what the rule would take for torn, so that one flipped bit in a length
//! does not silently cut off acknowledged entries. Frames begin at multiples of 8, so a length word
//! and what follows it in the same sector arrive together or not at all. Therefore damage is:
//! - a length word that contradicts the beginning of its record in the same sector;
//! - a length word of zero followed by anything else than zeros in the same sector.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use disk::File;

use crate::codec::{HeadCheck, Record, RecordKind, check_head, decode_record};
use crate::error::Damage;

/// The unit that a disk writes whole or not at all.
const SECTOR: u64 = 512;
/// How much is read ahead at once.
const WINDOW_BYTES: u64 = 256 << 10;
const WORD_BYTES: u64 = 8;

/// A record whose checksum is right.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// Where its frame begins.
    pub(crate) offset: u64,
    pub(crate) kind: RecordKind,
    /// Its data in the reader's window, valid until the next frame is read.
    data: Range<usize>,
}

/// Why the frame at the reader's offset could not be read.
#[derive(Debug)]
pub(crate) enum FrameError {
    Read(io::Error),
    /// A crash can have left it so.
    Torn(Damage),
    /// Nothing but a failing disk can.
    Damaged(Damage),
}

/// Reads the frames of one segment in order.
#[derive(Debug)]
pub(crate) struct FrameReader {
    file: Arc<dyn File>,
    len: u64,
    /// Where the next frame begins: the end of all that was good.
    offset: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl FrameReader {
    pub(crate) fn new(file: Arc<dyn File>) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self {
            file,
            len,
            offset: 0,
            window: Vec::new(),
            window_start: 0,
        })
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The data of the record that was read last.
    pub(crate) fn data(&self, record: &Located) -> &[u8] {
        &self.window[record.data.clone()]
    }

    /// The next record, checked and added to the running checksum; none at the end.
    ///
    /// After an error the reader stays before the bad frame.
    pub(crate) fn next(&mut self, crc: &mut u32) -> Result<Option<Located>, FrameError> {
        let offset = self.offset;
        let rest = self.len - offset;
        if rest == 0 {
            return Ok(None);
        }
        if rest < WORD_BYTES {
            // A prepared segment of a size that is no multiple of 8 ends in zeros that fit no word.
            return match is_zero(self.fill(offset, rest)?) {
                true => Ok(None),
                false => Err(FrameError::Torn(Damage::Truncated)),
            };
        }
        let word = self.read_word(offset)?;
        if word == 0 {
            return self.check_end(offset).map(|()| None);
        }
        if self.is_foreign_tail(offset, word, rest)? {
            return Err(FrameError::Torn(Damage::Truncated));
        }
        let (record_len, padding) = split_word(word).ok_or(FrameError::Damaged(Damage::Length))?;
        self.check_length(offset, record_len)?;
        let body_len = record_len + padding;
        if body_len > rest - WORD_BYTES {
            return Err(FrameError::Torn(Damage::Truncated));
        }
        let body_at = offset + WORD_BYTES;
        let body = self.fill(body_at, body_len)?;
        let record = &body[..record_len as usize];
        let (kind, data) =
            check_record(record, crc).map_err(|damage| judge(damage, body, body_at))?;
        let base = (body_at - self.window_start) as usize;
        self.offset = body_at + body_len;
        Ok(Some(Located {
            offset,
            kind,
            data: base + data.start..base + data.end,
        }))
    }

    fn read_word(&mut self, offset: u64) -> Result<u64, FrameError> {
        let mut word = [0; 8];
        word.copy_from_slice(self.fill(offset, WORD_BYTES)?);
        Ok(u64::from_le_bytes(word))
    }

    /// At a length word of zero: the rest of its sector must be zero too.
    fn check_end(&mut self, offset: u64) -> Result<(), FrameError> {
        let end = sector_end(offset).min(self.len);
        if is_zero(self.fill(offset, end - offset)?) {
            Ok(())
        } else {
            Err(FrameError::Damaged(Damage::Stray))
        }
    }

    /// Compares the frame's length with what of its record is in the same sector.
    fn check_length(&mut self, offset: u64, record_len: u64) -> Result<(), FrameError> {
        let body_at = offset + WORD_BYTES;
        let sector_end = sector_end(offset).min(self.len);
        let known = record_len.min(sector_end - body_at);
        match check_head(self.fill(body_at, known)?, record_len) {
            HeadCheck::Agrees | HeadCheck::Unknown => Ok(()),
            HeadCheck::Contradicts | HeadCheck::Foreign => Err(FrameError::Damaged(Damage::Length)),
        }
    }

    /// Whether a frame would go past the end of the file and what follows its length word is no
    /// record: a write that was cut short, or something that never was one. Where a record does
    /// follow, its length word is damaged, and cutting there would lose what was acknowledged.
    fn is_foreign_tail(&mut self, offset: u64, word: u64, rest: u64) -> Result<bool, FrameError> {
        let claimed = word & ((1 << 56) - 1);
        if claimed <= rest - WORD_BYTES {
            return Ok(false);
        }
        let body_at = offset + WORD_BYTES;
        let known = sector_end(offset).min(self.len) - body_at;
        Ok(check_head(self.fill(body_at, known)?, claimed) == HeadCheck::Foreign)
    }

    /// The bytes at `from`, which must be in the file: nothing larger is ever allocated.
    fn fill(&mut self, from: u64, count: u64) -> Result<&[u8], FrameError> {
        let window_end = self.window_start + self.window.len() as u64;
        if from < self.window_start || from + count > window_end {
            let len = count.max(WINDOW_BYTES).min(self.len - from);
            self.window.resize(len as usize, 0);
            self.window_start = from;
            self.file
                .read_exact_at(&mut self.window, from)
                .map_err(FrameError::Read)?;
        }
        let start = (from - self.window_start) as usize;
        Ok(&self.window[start..start + count as usize])
    }
}

/// Record length and padding, if the word is one that etcd writes.
fn split_word(word: u64) -> Option<(u64, u64)> {
    let record_len = word & ((1 << 56) - 1);
    let padding = record_len.wrapping_neg() % 8;
    let marks = if padding == 0 { 0 } else { 0x80 | padding };
    (word >> 56 == marks).then_some((record_len, padding))
}

/// Checks a record against the running checksum, which it moves on; the data as a range.
fn check_record(bytes: &[u8], crc: &mut u32) -> Result<(RecordKind, Range<usize>), Damage> {
    let Record {
        kind,
        crc: stored,
        data,
    } = decode_record(bytes).map_err(Damage::Record)?;
    let computed = match kind {
        // A reader that starts in the middle of the log takes the value over.
        RecordKind::Crc if *crc == 0 => stored,
        RecordKind::Crc => *crc,
        _ => crc32c::crc32c_append(*crc, data),
    };
    if stored != computed {
        return Err(Damage::Checksum { stored, computed });
    }
    *crc = computed;
    let start = data.as_ptr().addr() - bytes.as_ptr().addr();
    Ok((kind, start..start + data.len()))
}

/// Whether a bad frame was torn: one of its chunks between sector borders is missing.
fn judge(damage: Damage, body: &[u8], body_at: u64) -> FrameError {
    let first_len = (sector_end(body_at) - body_at).min(body.len() as u64);
    let (first, rest) = body.split_at(first_len as usize);
    let is_torn = is_zero(first) || rest.chunks(SECTOR as usize).any(is_zero);
    if is_torn {
        FrameError::Torn(damage)
    } else {
        FrameError::Damaged(damage)
    }
}

/// Where the sector that holds byte `offset` ends.
fn sector_end(offset: u64) -> u64 {
    (offset / SECTOR + 1) * SECTOR
}

/// Compares whole slices: byte after byte, the empty rest of a segment took a third of a start.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4096] = [0; 4096];
    let mut chunks = bytes.chunks(ZEROS.len());
    chunks.all(|chunk| *chunk == ZEROS[..chunk.len()])
}
