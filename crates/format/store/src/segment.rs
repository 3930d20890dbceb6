//! A segment in memory: its file, the index of its blocks and its dead records.
//!
//! Shared by the writer and all readers. The block index of the active segment grows when a commit
//! is published; that of a sealed one never changes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use types::Revision;

use crate::block::{BLOCK_LEN, BlockReader, BlockRef, RecordRef};
use crate::cursor::Damage;
use crate::dead::{Dead, DeadBits};
use crate::directory::DirectoryEntry;
use crate::error::StoreFault;
use crate::file::SegmentFile;
use crate::header::SegmentId;
use crate::search::blocks_before;

/// Above every revision: how far the active segment reaches.
const UNBOUNDED: Revision = Revision::new(i64::MAX, i64::MAX);

/// One file of records.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) file: SegmentFile,
    /// Set when the segment is sealed.
    upper: OnceLock<Revision>,
    /// Guards the list against the one writer; never held while a file is read.
    blocks: RwLock<Blocks>,
    /// Guards the marks; never held while a file is read. Taken after `blocks` if with it.
    dead: RwLock<Dead>,
    len: AtomicU64,
    cost: AtomicU64,
}

#[derive(Debug, Default)]
struct Blocks {
    list: Vec<BlockRef>,
    records: u32,
}

/// A block and how many records it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockSpan {
    pub(crate) block: BlockRef,
    pub(crate) records: u32,
    /// What the next block begins with.
    pub(crate) next: Option<Revision>,
}

impl Segment {
    /// A segment without records, of which `len` bytes are written.
    pub(crate) fn new(id: SegmentId, file: SegmentFile, len: u64) -> Self {
        Self {
            id,
            file,
            upper: OnceLock::new(),
            blocks: RwLock::default(),
            dead: RwLock::default(),
            len: AtomicU64::new(len),
            cost: AtomicU64::new(0),
        }
    }

    /// The highest revision that the segment can hold.
    #[inline]
    pub(crate) fn upper(&self) -> Revision {
        self.upper.get().copied().unwrap_or(UNBOUNDED)
    }

    /// Publishes blocks that are durable; `records` is the number of records in all.
    pub(crate) fn publish(&self, added: &[BlockRef], records: u32, cost: u64, len: u64) {
        let mut blocks = self.blocks.write();
        blocks.list.extend_from_slice(added);
        blocks.records = records;
        drop(blocks);
        self.cost.fetch_add(cost, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
    }

    /// From here on nothing is added.
    pub(crate) fn seal(&self, upper: Revision, len: u64) {
        self.blocks.write().list.shrink_to_fit();
        self.len.store(len, Ordering::Relaxed);
        let sealed = self.upper.set(upper);
        assert!(sealed.is_ok(), "a segment is sealed once");
    }

    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// What the live records cost.
    pub(crate) fn live_cost(&self) -> u64 {
        // What is on disk may disagree with its own directory, so this may not trust it.
        let cost = self.cost.load(Ordering::Relaxed);
        cost.saturating_sub(self.dead_cost())
    }

    pub(crate) fn dead_cost(&self) -> u64 {
        self.dead.read().cost
    }

    /// The part of the dead records' cost that is tombstones.
    pub(crate) fn dead_tombstone_cost(&self) -> u64 {
        self.dead.read().tombstone_cost
    }

    /// Whether any record is dead.
    pub(crate) fn has_dead(&self) -> bool {
        self.dead_cost() > 0
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.read().list.len()
    }

    /// All blocks, for the seal.
    pub(crate) fn copy_blocks(&self) -> Vec<BlockRef> {
        self.blocks.read().list.clone()
    }

    /// The dead marks as they are.
    pub(crate) fn copy_dead(&self) -> Dead {
        self.dead.read().clone()
    }

    /// Begins with these dead marks instead of none.
    pub(crate) fn set_dead(&self, dead: Dead) {
        *self.dead.write() = dead;
    }

    /// Calls `f` with the dead marks.
    pub(crate) fn with_dead<T>(&self, f: impl FnOnce(&DeadBits) -> T) -> T {
        f(&self.dead.read().bits)
    }

    /// The block of number `position`.
    pub(crate) fn block(&self, position: usize) -> Option<BlockSpan> {
        self.blocks.read().span(position)
    }

    /// The number of the block in which `revision` would be, or of the first block.
    pub(crate) fn position(&self, revision: Revision) -> usize {
        let blocks = self.blocks.read();
        let after = blocks_before(&blocks.list, revision);
        after.saturating_sub(1)
    }

    /// The block in which `revision` would be.
    pub(crate) fn span_of(&self, revision: Revision) -> Option<BlockSpan> {
        let blocks = self.blocks.read();
        let after = blocks_before(&blocks.list, revision);
        blocks.span(after.checked_sub(1)?)
    }

    #[inline]
    fn locate(&self, revision: Revision) -> Option<BlockRef> {
        let blocks = self.blocks.read();
        let after = blocks_before(&blocks.list, revision);
        blocks.list.get(after.checked_sub(1)?).copied()
    }

    /// The record of `revision`, dead or not.
    pub(crate) fn get(&self, revision: Revision) -> Result<Option<Bytes>, StoreFault> {
        let Some(block) = self.locate(revision) else {
            return Ok(None);
        };
        if block.len as usize > BLOCK_LEN {
            return self.get_shared(&block, revision);
        }
        self.with_block(&block, |reader| {
            let found = reader.find(revision)?;
            Ok(found.map(|found| Bytes::copy_from_slice(found.record)))
        })
    }

    /// A block of one large record: the record is a slice of it and not copied again.
    fn get_shared(
        &self,
        block: &BlockRef,
        revision: Revision,
    ) -> Result<Option<Bytes>, StoreFault> {
        let bytes = self.read_block(block)?;
        let found = BlockReader::new(&bytes, block.first).and_then(|reader| reader.find(revision));
        let found = found.map_err(|damage| self.file.damaged(block.offset, damage))?;
        Ok(found.map(|found| bytes.slice_ref(found.record)))
    }

    /// Reads a block to a buffer of its own.
    pub(crate) fn read_block(&self, block: &BlockRef) -> Result<Bytes, StoreFault> {
        self.read_at(block.offset, u64::from(block.len))
    }

    /// Reads a part of the file that holds blocks to a buffer of its own.
    pub(crate) fn read_at(&self, offset: u64, len: u64) -> Result<Bytes, StoreFault> {
        let mut bytes = vec![0; len as usize];
        self.file.read(&mut bytes, offset)?;
        Ok(bytes.into())
    }

    /// Reads a block and calls `f` with its records; allocates only for a large block.
    pub(crate) fn with_block<T>(
        &self,
        block: &BlockRef,
        f: impl FnOnce(BlockReader<'_>) -> Result<T, Damage>,
    ) -> Result<T, StoreFault> {
        let mut small = [0; BLOCK_LEN];
        let mut large = Vec::new();
        let bytes = match small.get_mut(..block.len as usize) {
            Some(bytes) => bytes,
            None => {
                large.resize(block.len as usize, 0);
                &mut large[..]
            }
        };
        self.file.read(bytes, block.offset)?;
        BlockReader::new(bytes, block.first)
            .and_then(f)
            .map_err(|damage| self.file.damaged(block.offset, damage))
    }

    /// Marks the records of `revisions` (sorted) dead, those that are here and are not yet; calls
    /// `on_marked` with each of them.
    pub(crate) fn mark_dead(
        &self,
        revisions: &[Revision],
        mut on_marked: impl FnMut(Revision),
    ) -> Result<(), StoreFault> {
        let mut rest = revisions;
        while let Some(revision) = rest.first() {
            let Some(span) = self.block(self.position(*revision)) else {
                return Ok(());
            };
            let count = rest.partition_point(|r| span.next.is_none_or(|next| *r < next));
            let (here, behind) = rest.split_at(count);
            self.mark_in_block(&span.block, here, &mut on_marked)?;
            rest = behind;
        }
        Ok(())
    }

    fn mark_in_block(
        &self,
        block: &BlockRef,
        revisions: &[Revision],
        on_marked: &mut impl FnMut(Revision),
    ) -> Result<(), StoreFault> {
        self.with_block(block, |mut records| {
            let mut wanted = revisions.iter().peekable();
            let mut ordinal = block.ordinal;
            while let Some(record) = records.next()? {
                while wanted.next_if(|r| **r < record.revision).is_some() {}
                match wanted.peek() {
                    None => break,
                    Some(wanted) if **wanted == record.revision => {
                        if self.mark_record(ordinal, &record)? {
                            on_marked(record.revision);
                        }
                    }
                    Some(_) => {}
                }
                ordinal += 1;
            }
            Ok(())
        })
    }

    fn mark_record(&self, ordinal: u32, record: &RecordRef<'_>) -> Result<bool, Damage> {
        let cost = DirectoryEntry::of(record)?.cost();
        Ok(self.dead.write().mark(ordinal, record.tombstone, cost))
    }
}

impl Blocks {
    fn span(&self, position: usize) -> Option<BlockSpan> {
        let block = *self.list.get(position)?;
        let next = self.list.get(position + 1);
        let end = next.map_or(self.records, |next| next.ordinal);
        Some(BlockSpan {
            block,
            records: end - block.ordinal,
            next: next.map(|next| next.first),
        })
    }
}
