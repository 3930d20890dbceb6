//! Reading many records at once: neighbours in a block cost one read of it, and blocks that lie
//! close together are read as one run.

use bytes::Bytes;
use types::Revision;

use crate::block::{BLOCK_LEN, BlockReader, BlockRef};
use crate::cursor::Damage;
use crate::error::StoreFault;
use crate::segment::Segment;
use crate::view::View;

/// The most that is read at a time, unless a single block is larger.
const RUN_LEN: u64 = 64 << 10;
/// The most between two blocks that is read for nothing: less than another read costs.
const GAP_LEN: u64 = 4 << 10;

/// A record to find and where it goes in the answer.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    revision: Revision,
    position: usize,
}

/// The records of `revisions`, dead or not, in their order.
pub(crate) fn get_many(
    view: &View,
    revisions: &[Revision],
) -> Result<Vec<Option<Bytes>>, StoreFault> {
    let mut found = vec![None; revisions.len()];
    let sorted = sort(revisions, view.newest);
    let mut rest = &sorted[..];
    while let Some(first) = rest.first() {
        let Some(segment) = view.segments.get(view.position(first.revision)) else {
            break;
        };
        let upper = segment.upper();
        let (here, behind) = rest.split_at(rest.partition_point(|w| w.revision <= upper));
        read_segment(segment, here, &mut found)?;
        rest = behind;
    }
    Ok(found)
}

fn sort(revisions: &[Revision], newest: Revision) -> Vec<Wanted> {
    let numbered = revisions.iter().enumerate();
    let mut sorted: Vec<_> = numbered
        .filter(|(_, revision)| **revision <= newest)
        .map(|(position, &revision)| Wanted { revision, position })
        .collect();
    sorted.sort_unstable_by_key(|wanted| wanted.revision);
    sorted
}

fn read_segment(
    segment: &Segment,
    wanted: &[Wanted],
    found: &mut [Option<Bytes>],
) -> Result<(), StoreFault> {
    let mut run = Run::default();
    let mut rest = wanted;
    while let Some(first) = rest.first() {
        let Some(span) = segment.span_of(first.revision) else {
            // Before the first block.
            rest = &rest[1..];
            continue;
        };
        let is_behind = |w: &Wanted| span.next.is_some_and(|next| w.revision >= next);
        let count = rest.iter().position(is_behind).unwrap_or(rest.len());
        let (here, behind) = rest.split_at(count);
        if !run.takes(&span.block) {
            run.read(segment, found)?;
        }
        run.blocks.push((span.block, here));
        rest = behind;
    }
    run.read(segment, found)
}

/// Blocks that are read together, in their order, and what is wanted of each.
#[derive(Debug, Default)]
struct Run<'a> {
    blocks: Vec<(BlockRef, &'a [Wanted])>,
}

impl Run<'_> {
    fn takes(&self, block: &BlockRef) -> bool {
        let Some(((first, _), (last, _))) = self.blocks.first().zip(self.blocks.last()) else {
            return true;
        };
        let gap = block.offset.checked_sub(end(last));
        gap.is_some_and(|gap| gap <= GAP_LEN) && end(block) - first.offset <= RUN_LEN
    }

    /// Reads what was gathered and begins anew.
    fn read(&mut self, segment: &Segment, found: &mut [Option<Bytes>]) -> Result<(), StoreFault> {
        match &self.blocks[..] {
            [] => return Ok(()),
            [(block, wanted)] => read_block(segment, block, wanted, found)?,
            blocks => read_blocks(segment, blocks, found)?,
        }
        self.blocks.clear();
        Ok(())
    }
}

/// Reads a block for its own sake: that needs no buffer, and little of it is kept.
fn read_block(
    segment: &Segment,
    block: &BlockRef,
    wanted: &[Wanted],
    found: &mut [Option<Bytes>],
) -> Result<(), StoreFault> {
    if block.len as usize > BLOCK_LEN {
        return read_blocks(segment, &[(*block, wanted)], found);
    }
    segment.with_block(block, |reader| {
        pick(reader, wanted, |position, record| {
            found[position] = Some(Bytes::copy_from_slice(record));
        })
    })
}

fn read_blocks(
    segment: &Segment,
    blocks: &[(BlockRef, &[Wanted])],
    found: &mut [Option<Bytes>],
) -> Result<(), StoreFault> {
    let Some(((first, _), (last, _))) = blocks.first().zip(blocks.last()) else {
        return Ok(());
    };
    let begin = first.offset;
    let bytes = segment.read_at(begin, end(last) - begin)?;
    let mut records = Vec::new();
    for (block, wanted) in blocks {
        let at = (block.offset - begin) as usize;
        let block_bytes = &bytes[at..at + block.len as usize];
        BlockReader::new(block_bytes, block.first)
            .and_then(|reader| {
                pick(reader, wanted, |position, record| {
                    records.push((position, record));
                })
            })
            .map_err(|damage| segment.file.damaged(block.offset, damage))?;
    }
    share(&bytes, &records, found);
    Ok(())
}

/// Takes the wanted records out of a block.
fn pick<'b>(
    mut reader: BlockReader<'b>,
    wanted: &[Wanted],
    mut take: impl FnMut(usize, &'b [u8]),
) -> Result<(), Damage> {
    let mut wanted = wanted.iter().peekable();
    while wanted.peek().is_some() {
        let Some(record) = reader.next()? else {
            break;
        };
        while wanted.next_if(|w| w.revision < record.revision).is_some() {}
        while let Some(w) = wanted.next_if(|w| w.revision == record.revision) {
            take(w.position, record.record);
        }
    }
    Ok(())
}

/// Hands the records out as parts of what was read, or of a copy if most of that is not wanted.
fn share(bytes: &Bytes, records: &[(usize, &[u8])], found: &mut [Option<Bytes>]) {
    let len: usize = records.iter().map(|(_, record)| record.len()).sum();
    if len >= bytes.len() / 2 {
        for (position, record) in records {
            found[*position] = Some(bytes.slice_ref(record));
        }
        return;
    }
    let mut copy = Vec::with_capacity(len);
    for (_, record) in records {
        copy.extend_from_slice(record);
    }
    let mut copy = Bytes::from(copy);
    for (position, record) in records {
        found[*position] = Some(copy.split_to(record.len()));
    }
}

fn end(block: &BlockRef) -> u64 {
    block.offset + u64::from(block.len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of neighbours must cost few reads, and neighbours that lie far apart no reading of
    /// what is between them.
    #[test]
    fn close_blocks_are_read_together() {
        let block = |offset| BlockRef {
            first: Revision::default(),
            offset,
            len: 4096,
            ordinal: 0,
        };
        let mut run = Run::default();
        assert!(run.takes(&block(1 << 40)), "the first one, wherever it is");
        for offset in (64..).step_by(4096 + 200).take(15) {
            assert!(run.takes(&block(offset)));
            run.blocks.push((block(offset), &[]));
        }
        assert!(!run.takes(&block(15 * 4296 + 64)), "would be too long");
        run.blocks.truncate(1);
        let after = end(&block(64));
        assert!(run.takes(&block(after + GAP_LEN)));
        assert!(!run.takes(&block(after + GAP_LEN + 1)));
    }
}
