//! Blocks: about 4 KiB of records under one checksum, the unit of a point read.
//!
//! An entry is: varint difference of main, varint `sub << 1 | tombstone`, varint length, record.
//! A block is closed before it would grow past [`BLOCK_LEN`], so only a block of one record is
//! larger.

use types::Revision;
use wire::{put_varint, varint_len};

use crate::cursor::Damage;
use crate::frame::{FRAME_HEADER_LEN, FrameReader, FrameWriter, Kind};

/// The largest block of more than one record: one page, one small read.
pub(crate) const BLOCK_LEN: usize = 4096;

/// A record as it stands in a block or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordRef<'a> {
    pub(crate) revision: Revision,
    pub(crate) tombstone: bool,
    pub(crate) record: &'a [u8],
}

/// Where a block is and what it begins with; all that is kept of it in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) first: Revision,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    /// The number of records in the blocks before it.
    pub(crate) ordinal: u32,
}

/// `sub` and the tombstone mark as one number.
#[inline]
pub(crate) fn pack_sub(revision: Revision, tombstone: bool) -> u64 {
    (revision.sub.cast_unsigned() << 1) | u64::from(tombstone)
}

#[inline]
pub(crate) fn unpack_sub(main: i64, packed: u64) -> (Revision, bool) {
    let sub = (packed >> 1).cast_signed();
    (Revision { main, sub }, packed & 1 == 1)
}

/// How many bytes an entry takes whose main revision differs by `difference`.
#[inline]
pub(crate) fn entry_len(record: &RecordRef<'_>, difference: u64) -> usize {
    let len = record.record.len();
    varint_len(difference)
        + varint_len(pack_sub(record.revision, record.tombstone))
        + varint_len(len as u64)
        + len
}

/// Cuts a stream of records into blocks at the end of a buffer.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    open: Option<(BlockRef, FrameWriter)>,
    blocks: Vec<BlockRef>,
    records: u32,
}

impl BlockWriter {
    /// A writer for a segment that already holds `records` records.
    pub(crate) fn new(records: u32) -> Self {
        Self {
            open: None,
            blocks: Vec::new(),
            records,
        }
    }

    /// Appends a record to `buf`, whose first byte stands at `origin` of the file.
    pub(crate) fn push(&mut self, buf: &mut Vec<u8>, origin: u64, record: &RecordRef<'_>) {
        let main = record.revision.main;
        if let Some((_, frame)) = &self.open
            && frame.len(buf) + entry_len(record, frame.difference(main)) > BLOCK_LEN
        {
            self.close(buf);
        }
        let records = self.records;
        let (_, frame) = self.open.get_or_insert_with(|| {
            let block = BlockRef {
                first: record.revision,
                offset: origin + buf.len() as u64,
                len: 0,
                ordinal: records,
            };
            (block, FrameWriter::begin(buf, main))
        });
        frame.begin_entry(buf, main);
        put_varint(buf, pack_sub(record.revision, record.tombstone));
        put_varint(buf, record.record.len() as u64);
        buf.extend_from_slice(record.record);
        self.records = records
            .checked_add(1)
            .expect("a segment is sealed long before it holds 2^32 records");
    }

    /// Completes the block that is being written.
    pub(crate) fn close(&mut self, buf: &mut [u8]) {
        if let Some((mut block, frame)) = self.open.take() {
            block.len = frame.finish(buf, Kind::Records);
            self.blocks.push(block);
        }
    }

    /// The number of records in the segment, those of the open block included.
    pub(crate) fn records(&self) -> u32 {
        self.records
    }

    /// The blocks that were completed.
    pub(crate) fn into_blocks(self) -> Vec<BlockRef> {
        debug_assert!(self.open.is_none());
        self.blocks
    }
}

/// The records of a block whose checksum was right.
#[derive(Clone, Debug)]
pub(crate) struct BlockReader<'a> {
    frame: FrameReader<'a>,
    previous: Option<Revision>,
}

impl<'a> BlockReader<'a> {
    /// Reads `bytes` as the block that begins with revision `first`.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], first: Revision) -> Result<Self, Damage> {
        let reader = Self::unplaced(bytes)?;
        if reader.frame.base() != first.main {
            return Err(Damage::new(16, "a block of other revisions"));
        }
        Ok(reader)
    }

    /// Reads `bytes` as a block of which it is not known what it begins with.
    pub(crate) fn unplaced(bytes: &'a [u8]) -> Result<Self, Damage> {
        Ok(Self {
            frame: FrameReader::new(bytes, Kind::Records)?,
            previous: None,
        })
    }

    /// The next record; revisions rise strictly.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<RecordRef<'a>>, Damage> {
        let Some(main) = self.frame.next_main()? else {
            return Ok(None);
        };
        let entry = self.frame.entry();
        let (Some(packed), Some(record)) = (entry.varint(), entry.sized()) else {
            return Err(self.frame.damage("bad record in a block"));
        };
        let (revision, tombstone) = unpack_sub(main, packed);
        if self.previous.is_some_and(|previous| previous >= revision) {
            return Err(self.frame.damage("revisions out of order"));
        }
        self.previous = Some(revision);
        Ok(Some(RecordRef {
            revision,
            tombstone,
            record,
        }))
    }

    /// The record of `revision`, if the block holds it.
    #[inline]
    pub(crate) fn find(mut self, revision: Revision) -> Result<Option<RecordRef<'a>>, Damage> {
        while let Some(record) = self.next()? {
            if record.revision >= revision {
                return Ok((record.revision == revision).then_some(record));
            }
        }
        Ok(None)
    }
}

const _: () = assert!(FRAME_HEADER_LEN < BLOCK_LEN);
