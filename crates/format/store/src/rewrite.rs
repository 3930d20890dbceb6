//! Rewriting a run of sealed segments as one that holds only their live records, and those dead
//! tombstones that must stay.
//!
//! A dead tombstone may go only when every older record of its key is gone, or goes with it: marks
//! do not survive a restart, and the older record would be taken for the key's newest. The caller
//! marks a tombstone no earlier than the older records of its key, so they are gone if no segment
//! older than the run has a dead record, and they go with it if they are in the run and were marked
//! before the first record was copied.
//!
//! Order of side effects: records to `rewrite.tmp` (each step synced), seal, sync, rename, sync of
//! the directory; then the caller swaps the segment in and removes the old files when nobody holds
//! them. Up to the rename a crash leaves the old files, after it the new one supersedes them.

use std::sync::Arc;

use disk::{Dir, OpenMode};
use types::Revision;

use crate::block::{BlockWriter, RecordRef};
use crate::chunk::ChunkWriter;
use crate::dead::Dead;
use crate::directory::DirectoryEntry;
use crate::error::StoreFault;
use crate::file::{SegmentFile, rename, sync_names};
use crate::frame::Kind;
use crate::header::{FORMAT_VERSION, SegmentHeader, SegmentId};
use crate::seal::Seal;
use crate::segment::{BlockSpan, Segment};

/// The name of a rewritten segment that is being made.
pub(crate) const REWRITE_NAME: &str = "rewrite.tmp";

/// How much is collected before it is written.
const FLUSH_BYTES: usize = 256 << 10;

/// What looking at a block costs of the budget even if nothing of it is read.
const SKIP_COST: u64 = 64;

/// A rewrite between two steps.
#[derive(Debug)]
pub(crate) struct Rewrite {
    id: SegmentId,
    /// Sorted by revision, neighbours in the view.
    sources: Vec<Arc<Segment>>,
    /// The next block to copy: number of the source, number of the block in it.
    next: (usize, usize),
    output: Output,
    /// The marks of each source when the rewrite began.
    marked: Vec<Dead>,
    /// Whether dead tombstones are left out as well.
    drops_tombstones: bool,
    /// Marked dead after the rewrite began.
    late: Vec<Revision>,
}

/// The segment that is being written.
#[derive(Debug)]
struct Output {
    file: SegmentFile,
    buf: Vec<u8>,
    /// Where `buf` belongs in the file.
    flushed: u64,
    blocks: BlockWriter,
    directory: ChunkWriter,
    cost: u64,
    dead: Dead,
}

impl Rewrite {
    /// Begins to rewrite `sources`, of which there is at least one; `drops_tombstones` if no older
    /// segment has a dead record.
    pub(crate) fn begin(
        dir: &dyn Dir,
        sources: Vec<Arc<Segment>>,
        generation: u64,
        drops_tombstones: bool,
    ) -> Result<Self, StoreFault> {
        let first = sources.first().map(|segment| segment.id.first);
        let last = sources.last().map(|segment| segment.id.last);
        let (first, last) = first.zip(last).expect("a run holds a segment");
        let id = SegmentId {
            first,
            last,
            generation,
        };
        let mut buf = Vec::new();
        let header = SegmentHeader {
            version: FORMAT_VERSION,
            id,
            salt: 0,
        };
        header.write(&mut buf);
        let output = Output {
            file: SegmentFile::open(dir, REWRITE_NAME, OpenMode::Truncate)?,
            buf,
            flushed: 0,
            blocks: BlockWriter::new(0),
            directory: ChunkWriter::new(Kind::Directory),
            cost: 0,
            dead: Dead::default(),
        };
        Ok(Self {
            id,
            marked: sources.iter().map(|source| source.copy_dead()).collect(),
            sources,
            next: (0, 0),
            output,
            drops_tombstones,
            late: Vec::new(),
        })
    }

    pub(crate) fn sources(&self) -> &[Arc<Segment>] {
        &self.sources
    }

    /// How long the file is.
    pub(crate) fn written(&self) -> u64 {
        self.output.flushed
    }

    /// Hears of a record that was marked dead in whatever segment holds it.
    pub(crate) fn mark_dead(&mut self, revision: Revision) {
        let lower = self.sources.iter().find_map(|segment| segment.block(0));
        let upper = self.sources.last().map(|segment| segment.upper());
        if lower.is_some_and(|span| span.block.first <= revision) && upper >= Some(revision) {
            self.late.push(revision);
        }
    }

    /// Copies until `budget` bytes were read and written; returns whether all is copied.
    pub(crate) fn step(&mut self, budget: u64, sync: bool) -> Result<bool, StoreFault> {
        let mut spent = 0;
        let begin = self.output.flushed;
        while spent < budget {
            let Some(source) = self.sources.get(self.next.0).map(Arc::clone) else {
                break;
            };
            match source.block(self.next.1) {
                Some(span) => {
                    spent += self.copy_block(&source, &span)?;
                    self.next.1 += 1;
                }
                None => self.next = (self.next.0 + 1, 0),
            }
        }
        let is_done = self.next.0 == self.sources.len();
        self.output.flush()?;
        if sync && !is_done {
            self.output.file.sync(begin)?;
        }
        Ok(is_done)
    }

    /// Copies what stays of a block; returns what that cost of the budget.
    fn copy_block(&mut self, source: &Segment, span: &BlockSpan) -> Result<u64, StoreFault> {
        let block = &span.block;
        let first = block.ordinal;
        let marked = &self.marked[self.next.0];
        let drops_tombstones = self.drops_tombstones;
        let drops_all_dead = drops_tombstones || marked.tombstone_cost == 0;
        if drops_all_dead && marked.bits.contains_all(first, span.records) {
            return Ok(SKIP_COST);
        }
        let output = &mut self.output;
        source.with_block(block, |mut records| {
            let mut ordinal = first;
            while let Some(record) = records.next()? {
                let was_dead = marked.bits.contains(ordinal);
                let goes = if record.tombstone {
                    was_dead && drops_tombstones
                } else {
                    was_dead || source.with_dead(|dead| dead.contains(ordinal))
                };
                if !goes {
                    output.push(&record, &DirectoryEntry::of(&record)?, was_dead);
                }
                ordinal += 1;
            }
            Ok(())
        })?;
        if self.output.buf.len() >= FLUSH_BYTES {
            self.output.flush()?;
        }
        Ok(2 * u64::from(block.len))
    }

    /// Seals the copy and gives it its name; from here on it supersedes the sources.
    pub(crate) fn finish(self, dir: &dyn Dir, sync: bool) -> Result<Arc<Segment>, StoreFault> {
        let upper = self.sources.last().map(|segment| segment.upper());
        let upper = upper.expect("a run holds a segment");
        let Output {
            file,
            flushed: data_end,
            blocks,
            directory,
            cost,
            dead,
            ..
        } = self.output;
        let records = blocks.records();
        let blocks = blocks.into_blocks();
        let seal = Seal {
            data_end,
            directory,
            blocks: &blocks,
            records,
            upper,
        };
        let len = seal.write(&file)?;
        if sync {
            file.sync(data_end)?;
        }
        let name = self.id.file_name();
        rename(dir, REWRITE_NAME, &name)?;
        if sync {
            sync_names(dir)?;
        }
        let segment = Segment::new(self.id, file.renamed(dir, &name), len);
        segment.publish(&blocks, records, cost, len);
        segment.seal(upper, len);
        segment.set_dead(dead);
        let mut late = self.late;
        late.sort_unstable();
        segment.mark_dead(&late, |_| {})?;
        Ok(Arc::new(segment))
    }
}

impl Output {
    fn push(&mut self, record: &RecordRef<'_>, entry: &DirectoryEntry<'_>, is_dead: bool) {
        if is_dead {
            let ordinal = self.blocks.records();
            self.dead.mark(ordinal, record.tombstone, entry.cost());
        }
        self.blocks.push(&mut self.buf, self.flushed, record);
        entry.write(&mut self.directory);
        self.cost += entry.cost();
    }

    fn flush(&mut self) -> Result<(), StoreFault> {
        self.blocks.close(&mut self.buf);
        self.file.write(&self.buf, self.flushed)?;
        self.flushed += self.buf.len() as u64;
        self.buf.clear();
        Ok(())
    }
}
