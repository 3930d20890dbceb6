//! Reading the newest segment: its batches in order, up to the first that does not count.
//!
//! What follows the last batch that counts is either torn, and is cut off by the caller, or damage
//! to something that was once durable, and is refused: a later batch can only have been written
//! after the one before it was synced.

use types::Revision;

use crate::batch::{BATCH_END_LEN, BATCH_HEADER_LEN, BATCH_MAGIC, BatchHeader, is_whole};
use crate::block::{BlockReader, BlockRef};
use crate::bucket::{Buckets, ChangeRef};
use crate::chunk::ChunkWriter;
use crate::cursor::{Cursor, Damage};
use crate::directory::DirectoryEntry;
use crate::error::StoreFault;
use crate::file::SegmentFile;
use crate::frame::{FRAME_HEADER_LEN, Kind, frame_len};
use crate::header::SEGMENT_HEADER_LEN;
use crate::seal::read_footer;

/// How much is searched at a time for a later batch.
const SEARCH_LEN: u64 = 1 << 20;

/// All that the batches of a log segment say.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) blocks: Vec<BlockRef>,
    pub(crate) records: u32,
    pub(crate) cost: u64,
    pub(crate) directory: ChunkWriter,
    pub(crate) buckets: Buckets,
    pub(crate) newest: Revision,
    /// The number that the next batch gets.
    pub(crate) next_number: u64,
    /// Where the base ends.
    pub(crate) base_end: u64,
    /// Where the batches that count end.
    pub(crate) end: u64,
}

/// Reads a log segment with the given salt whose records are above `lower`.
pub(crate) fn read_log(
    file: &SegmentFile,
    salt: u64,
    lower: Revision,
    visit: &mut dyn FnMut(DirectoryEntry<'_>),
) -> Result<Log, StoreFault> {
    let len = file.len()?;
    let sealed_end = read_footer(file, len).ok().map(|footer| footer.data_end);
    let limit = sealed_end.unwrap_or(len);
    let mut log = Log::new(lower);
    while let Some((header, bytes)) = log.read_batch(file, salt, limit)? {
        let at = log.end;
        log.apply(&header, &bytes, visit)
            .map_err(|damage| file.damaged(at, damage))?;
    }
    let damaged = |what| Err(file.damaged(log.end, Damage::new(0, what)));
    if log.next_number == 0 {
        return damaged("the base of the segment does not count");
    }
    if sealed_end.is_some_and(|end| end != log.end) {
        return damaged("a batch of a sealed segment does not count");
    }
    if sealed_end.is_none() && has_later_batch(file, salt, log.next_number, log.end, len)? {
        return damaged("a batch does not count but a later one is there");
    }
    Ok(log)
}

impl Log {
    fn new(lower: Revision) -> Self {
        Self {
            blocks: Vec::new(),
            records: 0,
            cost: 0,
            directory: ChunkWriter::new(Kind::Directory),
            buckets: Buckets::default(),
            newest: lower,
            next_number: 0,
            base_end: SEGMENT_HEADER_LEN,
            end: SEGMENT_HEADER_LEN,
        }
    }

    /// The next batch, if it counts.
    fn read_batch(
        &self,
        file: &SegmentFile,
        salt: u64,
        limit: u64,
    ) -> Result<Option<(BatchHeader, Vec<u8>)>, StoreFault> {
        let room = limit.saturating_sub(self.end);
        if room < (BATCH_HEADER_LEN + BATCH_END_LEN) as u64 {
            return Ok(None);
        }
        let mut header = [0; BATCH_HEADER_LEN];
        file.read(&mut header, self.end)?;
        let expected = BatchHeader::decode(&header)
            .filter(|header| header.salt == salt && header.number == self.next_number)
            .filter(|header| header.len <= room);
        let Some((header, len)) =
            expected.and_then(|header| Some((header, usize::try_from(header.len).ok()?)))
        else {
            return Ok(None);
        };
        if len < BATCH_HEADER_LEN + BATCH_END_LEN {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        file.read(&mut bytes, self.end)?;
        Ok(is_whole(&bytes).then_some((header, bytes)))
    }

    /// Takes over a batch that counts; damage is relative to its beginning.
    fn apply(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>),
    ) -> Result<(), Damage> {
        let changes_end = bytes.len() - BATCH_END_LEN;
        let blocks_end = usize::try_from(header.blocks_len)
            .ok()
            .and_then(|len| len.checked_add(BATCH_HEADER_LEN))
            .filter(|end| *end <= changes_end)
            .ok_or(Damage::new(32, "wrong length of blocks"))?;
        let (before, newest) = (self.records, self.newest);
        let blocks = &bytes[BATCH_HEADER_LEN..blocks_end];
        self.apply_blocks(blocks, visit).map_err(|damage| Damage {
            at: damage.at + BATCH_HEADER_LEN,
            ..damage
        })?;
        let is_base = self.next_number == 0;
        if self.records - before != header.records
            || header.newest < self.newest
            || (!is_base && header.newest != self.newest)
            || (is_base && self.newest != newest)
        {
            return Err(Damage::new(40, "batch header and records disagree"));
        }
        self.apply_changes(&bytes[blocks_end..changes_end], header.changes)
            .map_err(|damage| Damage {
                at: damage.at + blocks_end,
                ..damage
            })?;
        self.buckets.set_consistent_index(header.index, header.term);
        self.newest = header.newest;
        self.end += header.len;
        self.next_number += 1;
        if is_base {
            self.base_end = self.end;
        }
        Ok(())
    }

    fn apply_blocks(
        &mut self,
        blocks: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>),
    ) -> Result<(), Damage> {
        let mut at = 0;
        while let Some(rest) = blocks.get(at..).filter(|rest| !rest.is_empty()) {
            let shift = |damage: Damage| Damage {
                at: damage.at + at,
                ..damage
            };
            let head = &rest[..rest.len().min(FRAME_HEADER_LEN)];
            let len = frame_len(head, rest.len() as u64).map_err(shift)?;
            let offset = self.end + (BATCH_HEADER_LEN + at) as u64;
            self.apply_block(&rest[..len], offset, visit)
                .map_err(shift)?;
            at += len;
        }
        Ok(())
    }

    fn apply_block(
        &mut self,
        bytes: &[u8],
        offset: u64,
        visit: &mut dyn FnMut(DirectoryEntry<'_>),
    ) -> Result<(), Damage> {
        let mut reader = BlockReader::unplaced(bytes)?;
        let ordinal = self.records;
        let mut first = None;
        while let Some(record) = reader.next()? {
            if record.revision <= self.newest {
                return Err(Damage::new(0, "revisions out of order"));
            }
            let entry = DirectoryEntry::of(&record)?;
            entry.write(&mut self.directory);
            visit(entry);
            first.get_or_insert(record.revision);
            self.newest = record.revision;
            self.cost += entry.cost();
            self.records = (self.records.checked_add(1))
                .ok_or(Damage::new(0, "more than 2^32 records in a segment"))?;
        }
        let first = first.ok_or(Damage::new(8, "a block without records"))?;
        let len = u32::try_from(bytes.len()).map_err(|_| Damage::new(4, "a block of 4 GiB"))?;
        self.blocks.push(BlockRef {
            first,
            offset,
            len,
            ordinal,
        });
        Ok(())
    }

    fn apply_changes(&mut self, bytes: &[u8], count: u32) -> Result<(), Damage> {
        let mut cursor = Cursor::new(bytes);
        for _ in 0..count {
            let bad = cursor.damage("bad bucket change");
            self.buckets.apply(ChangeRef::read(&mut cursor).ok_or(bad)?);
        }
        if cursor.is_empty() {
            Ok(())
        } else {
            Err(cursor.damage("bytes behind the last bucket change"))
        }
    }
}

/// Whether a batch with a number above `number` begins anywhere in `begin..end`.
fn has_later_batch(
    file: &SegmentFile,
    salt: u64,
    number: u64,
    begin: u64,
    end: u64,
) -> Result<bool, StoreFault> {
    let mut at = begin;
    let mut buf = Vec::new();
    while end - at >= BATCH_HEADER_LEN as u64 {
        buf.clear();
        buf.resize((end - at).min(SEARCH_LEN) as usize, 0);
        file.read(&mut buf, at)?;
        let is_later = |bytes: &[u8]| {
            bytes.starts_with(BATCH_MAGIC)
                && BatchHeader::decode(bytes)
                    .is_some_and(|header| header.salt == salt && header.number > number)
        };
        if buf.windows(BATCH_HEADER_LEN).any(is_later) {
            return Ok(true);
        }
        // The next piece begins with what was too short to be a header here.
        at += (buf.len() - BATCH_HEADER_LEN + 1) as u64;
    }
    Ok(false)
}
