//! Sealing a segment, and opening one that is sealed without reading its records.

use types::Revision;

use crate::block::BlockRef;
use crate::block_index::{BlockIndexReader, write_block_index};
use crate::chunk::ChunkWriter;
use crate::cursor::Damage;
use crate::directory::{DirectoryEntry, DirectoryReader};
use crate::error::StoreFault;
use crate::file::SegmentFile;
use crate::footer::{FOOTER_LEN, Footer};
use crate::frame::{FRAME_HEADER_LEN, frame_len};
use crate::header::SegmentId;
use crate::segment::Segment;

/// What is sealed: the data of a segment as its writer knows it.
#[derive(Debug)]
pub(crate) struct Seal<'a> {
    pub(crate) data_end: u64,
    pub(crate) directory: ChunkWriter,
    pub(crate) blocks: &'a [BlockRef],
    pub(crate) records: u32,
    pub(crate) upper: Revision,
}

impl Seal<'_> {
    /// Writes directory, block index and footer behind the data; the caller syncs. Returns the
    /// length of the file.
    pub(crate) fn write(self, file: &SegmentFile) -> Result<u64, StoreFault> {
        let index_begin = write_chunks(file, self.directory.into_chunks(), self.data_end)?;
        let index = write_block_index(self.blocks, self.records);
        let footer_begin = write_chunks(file, index, index_begin)?;
        let mut buf = Vec::new();
        let footer = Footer {
            data_end: self.data_end,
            index_begin,
            footer_begin,
            records: u64::from(self.records),
            blocks: self.blocks.len() as u64,
            upper: self.upper,
        };
        footer.write(&mut buf);
        file.write(&buf, footer_begin)?;
        Ok(footer_begin + buf.len() as u64)
    }
}

fn write_chunks(file: &SegmentFile, chunks: Vec<Vec<u8>>, begin: u64) -> Result<u64, StoreFault> {
    let mut end = begin;
    for chunk in chunks {
        file.write(&chunk, end)?;
        end += chunk.len() as u64;
    }
    Ok(end)
}

/// The footer at the end of a file of `len` bytes.
pub(crate) fn read_footer(file: &SegmentFile, len: u64) -> Result<Footer, StoreFault> {
    let position = len
        .checked_sub(FOOTER_LEN)
        .ok_or_else(|| file.damaged(0, Damage::new(0, "too short for a footer")))?;
    let mut bytes = [0; FOOTER_LEN as usize];
    file.read(&mut bytes, position)?;
    Footer::read(&bytes, position).map_err(|damage| file.damaged(position, damage))
}

/// Opens a sealed segment that holds the revisions above `lower`; its directory goes to `visit`.
pub(crate) fn open_sealed(
    id: SegmentId,
    file: SegmentFile,
    lower: Revision,
    visit: &mut dyn FnMut(DirectoryEntry<'_>),
) -> Result<Segment, StoreFault> {
    let len = file.len()?;
    let footer = read_footer(&file, len)?;
    let mut directory = DirectoryLoader {
        previous: lower,
        upper: footer.upper,
        records: 0,
        cost: 0,
        visit,
    };
    for_chunks(&file, footer.data_end, footer.index_begin, |chunk| {
        directory.load(chunk)
    })?;
    let mut index = BlockIndexReader::new(footer.data_end);
    for_chunks(&file, footer.index_begin, footer.footer_begin, |chunk| {
        index.read_chunk(chunk)
    })?;
    let (blocks, records) = index.finish();
    let counts = [directory.records, u64::from(records), blocks.len() as u64];
    if counts != [footer.records, footer.records, footer.blocks] || footer.upper < lower {
        let damage = Damage::new(0, "footer, directory and block index disagree");
        return Err(file.damaged(footer.footer_begin, damage));
    }
    let cost = directory.cost;
    let segment = Segment::new(id, file, len);
    segment.publish(&blocks, records, cost, len);
    segment.seal(footer.upper, len);
    Ok(segment)
}

/// Reads the frames that fill `begin..end`, one at a time.
fn for_chunks(
    file: &SegmentFile,
    begin: u64,
    end: u64,
    mut f: impl FnMut(&[u8]) -> Result<(), Damage>,
) -> Result<(), StoreFault> {
    let mut at = begin;
    let mut buf = Vec::new();
    while at < end {
        let damaged = |damage| file.damaged(at, damage);
        let mut header = [0; FRAME_HEADER_LEN];
        if end - at < header.len() as u64 {
            return Err(damaged(Damage::new(0, "short frame")));
        }
        file.read(&mut header, at)?;
        let len = frame_len(&header, end - at).map_err(damaged)?;
        buf.clear();
        buf.resize(len, 0);
        file.read(&mut buf, at)?;
        f(&buf).map_err(damaged)?;
        at += len as u64;
    }
    Ok(())
}

/// Checks the order of directory entries and adds up what they cost.
struct DirectoryLoader<'a> {
    previous: Revision,
    upper: Revision,
    records: u64,
    cost: u64,
    visit: &'a mut dyn FnMut(DirectoryEntry<'_>),
}

impl DirectoryLoader<'_> {
    fn load(&mut self, chunk: &[u8]) -> Result<(), Damage> {
        let mut reader = DirectoryReader::new(chunk)?;
        while let Some(entry) = reader.next()? {
            if entry.revision <= self.previous || entry.revision > self.upper {
                return Err(Damage::new(0, "directory revisions out of order"));
            }
            self.previous = entry.revision;
            self.records += 1;
            self.cost += entry.cost();
            (self.visit)(entry);
        }
        Ok(())
    }
}
