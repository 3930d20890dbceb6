//! The block index of a sealed segment: where each block begins and with which revision.
//!
//! An entry is: varint difference of main, varint sub, varint gap since the end of the block
//! before, varint length, varint number of records. Gaps are batch headers, bucket changes and end
//! marks.

use types::Revision;
use wire::put_varint;

use crate::block::BlockRef;
use crate::chunk::ChunkWriter;
use crate::cursor::Damage;
use crate::frame::{FRAME_HEADER_LEN, FrameReader, Kind};
use crate::header::SEGMENT_HEADER_LEN;

/// The chunks of the index of `blocks`, which hold `records` records in all.
pub(crate) fn write_block_index(blocks: &[BlockRef], records: u32) -> Vec<Vec<u8>> {
    let mut chunks = ChunkWriter::new(Kind::BlockIndex);
    let mut end = SEGMENT_HEADER_LEN;
    let next_ordinals = blocks.iter().skip(1).map(|block| block.ordinal);
    for (block, next) in blocks.iter().zip(next_ordinals.chain([records])) {
        chunks.push(block.first.main, |buf| {
            put_varint(buf, block.first.sub.cast_unsigned());
            put_varint(buf, block.offset - end);
            put_varint(buf, u64::from(block.len));
            put_varint(buf, u64::from(next - block.ordinal));
        });
        end = block.offset + u64::from(block.len);
    }
    chunks.into_chunks()
}

/// Puts the index together from its chunks and checks that it describes the data before `data_end`.
#[derive(Debug)]
pub(crate) struct BlockIndexReader {
    blocks: Vec<BlockRef>,
    records: u32,
    end: u64,
    data_end: u64,
}

impl BlockIndexReader {
    pub(crate) fn new(data_end: u64) -> Self {
        Self {
            blocks: Vec::new(),
            records: 0,
            end: SEGMENT_HEADER_LEN,
            data_end,
        }
    }

    /// Reads the next chunk.
    pub(crate) fn read_chunk(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        let mut frame = FrameReader::new(bytes, Kind::BlockIndex)?;
        while let Some(main) = frame.next_main()? {
            self.read_entry(&mut frame, main)
                .ok_or_else(|| frame.damage("bad block index entry"))?;
        }
        Ok(())
    }

    fn read_entry(&mut self, frame: &mut FrameReader<'_>, main: i64) -> Option<()> {
        let entry = frame.entry();
        let sub = entry.varint()?.cast_signed();
        let first = Revision { main, sub };
        let offset = self.end.checked_add(entry.varint()?)?;
        let len = u32::try_from(entry.varint()?).ok()?;
        let records = u32::try_from(entry.varint()?).ok().filter(|n| *n > 0)?;
        let end = offset.checked_add(u64::from(len))?;
        let is_sound = (len as usize) > FRAME_HEADER_LEN
            && end <= self.data_end
            && (self.blocks.last()).is_none_or(|previous| previous.first < first);
        if !is_sound {
            return None;
        }
        let ordinal = self.records;
        self.records = ordinal.checked_add(records)?;
        self.end = end;
        self.blocks.push(BlockRef {
            first,
            offset,
            len,
            ordinal,
        });
        Some(())
    }

    /// The blocks and the number of records in them.
    pub(crate) fn finish(self) -> (Vec<BlockRef>, u32) {
        (self.blocks, self.records)
    }
}
