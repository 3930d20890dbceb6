//! The active segment: the only file that grows.

use std::sync::Arc;

use disk::{Dir, OpenMode};
use types::Revision;

use crate::batch::{BatchHeader, BatchWriter};
use crate::block::{BlockRef, BlockWriter, RecordRef};
use crate::bucket::{Buckets, ChangeRef};
use crate::chunk::ChunkWriter;
use crate::directory::DirectoryEntry;
use crate::error::StoreFault;
use crate::file::{SegmentFile, rename, sync_names};
use crate::frame::Kind;
use crate::header::{FORMAT_VERSION, SEGMENT_HEADER_LEN, SegmentHeader, SegmentId};
use crate::log::Log;
use crate::seal::Seal;
use crate::segment::Segment;
use crate::store::{Batch, Options};

/// The name of a log segment that is being made.
pub(crate) const NEXT_NAME: &str = "next.tmp";

/// How many times its base a segment may become before it is sealed, if that is more than
/// `segment_bytes`: what large buckets cost at every roll stays a quarter of what is written.
const BASES_MAX: u64 = 4;

/// What the writer knows of the active segment beyond what readers see.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    salt: u64,
    next_number: u64,
    records: u32,
    end: u64,
    base_end: u64,
    directory: ChunkWriter,
}

/// What an append made durable, to be published.
#[derive(Debug)]
pub(crate) struct Appended {
    blocks: Vec<BlockRef>,
    cost: u64,
    /// The newest revision of the store from here on.
    pub(crate) newest: Revision,
}

impl Active {
    /// Makes a log segment that begins with `buckets` as its base.
    pub(crate) fn create(
        dir: &dyn Dir,
        options: &Options,
        sequence: u64,
        buckets: &Buckets,
        newest: Revision,
    ) -> Result<Self, StoreFault> {
        let id = SegmentId::log(sequence);
        let header = SegmentHeader {
            version: FORMAT_VERSION,
            id,
            salt: options.salt,
        };
        let mut buf = Vec::new();
        header.write(&mut buf);
        write_base(&mut buf, options.salt, buckets, newest);
        let file = SegmentFile::open(dir, NEXT_NAME, OpenMode::Truncate)?;
        file.write(&buf, 0)?;
        if options.sync {
            file.sync(0)?;
        }
        let name = id.file_name();
        rename(dir, NEXT_NAME, &name)?;
        if options.sync {
            sync_names(dir)?;
        }
        let end = buf.len() as u64;
        let file = file.renamed(dir, &name);
        Ok(Self {
            segment: Arc::new(Segment::new(id, file, end)),
            salt: options.salt,
            next_number: 1,
            records: 0,
            end,
            base_end: end,
            directory: ChunkWriter::new(Kind::Directory),
        })
    }

    /// Goes on with a log segment that was read; gives back its buckets and newest revision.
    pub(crate) fn resume(
        id: SegmentId,
        file: SegmentFile,
        salt: u64,
        log: Log,
    ) -> (Self, Buckets, Revision) {
        let segment = Segment::new(id, file, log.end);
        segment.publish(&log.blocks, log.records, log.cost, log.end);
        let active = Self {
            segment: Arc::new(segment),
            salt,
            next_number: log.next_number,
            records: log.records,
            end: log.end,
            base_end: log.base_end,
            directory: log.directory,
        };
        (active, log.buckets, log.newest)
    }

    /// Whether the next commit should go to another segment.
    pub(crate) fn is_full(&self, options: &Options) -> bool {
        let base_len = self.base_end - SEGMENT_HEADER_LEN;
        let is_long = self.end >= options.segment_bytes.max(BASES_MAX * base_len);
        let is_dense = self.directory.len() >= options.segment_bytes / 4;
        self.has_batches() && (is_long || is_dense)
    }

    /// Whether anything was committed to it.
    pub(crate) fn has_batches(&self) -> bool {
        self.next_number > 1
    }

    /// How long the file would be if it were sealed, about.
    pub(crate) fn sealed_len(&self) -> u64 {
        self.end + self.directory.len()
    }

    /// Writes a batch behind the last one and makes it durable; nothing is visible yet.
    pub(crate) fn append(
        &mut self,
        batch: &Batch,
        newest: Revision,
        buf: &mut Vec<u8>,
        sync: bool,
    ) -> Result<Appended, StoreFault> {
        buf.clear();
        let appended = self.encode(batch, newest, buf)?;
        self.segment.file.write(buf, self.end)?;
        if sync {
            self.segment.file.sync(self.end)?;
        }
        self.end += buf.len() as u64;
        self.next_number += 1;
        Ok(appended)
    }

    fn encode(
        &mut self,
        batch: &Batch,
        newest: Revision,
        buf: &mut Vec<u8>,
    ) -> Result<Appended, StoreFault> {
        let mut writer = BatchWriter::begin(buf);
        let mut blocks = BlockWriter::new(self.records);
        let mut appended = Appended {
            blocks: Vec::new(),
            cost: 0,
            newest,
        };
        for entry in &batch.entries {
            let record = RecordRef {
                revision: entry.revision,
                tombstone: entry.tombstone,
                record: &entry.record,
            };
            assert_follows(appended.newest, record.revision);
            let entry = DirectoryEntry::of(&record).map_err(|damage| StoreFault::NotARecord {
                revision: record.revision,
                offset: damage.at,
            })?;
            blocks.push(buf, self.end, &record);
            entry.write(&mut self.directory);
            appended.cost += entry.cost();
            appended.newest = record.revision;
        }
        blocks.close(buf);
        writer.end_blocks(buf);
        let mut changes = 0;
        for change in batch.changes.iter().map(ChangeRef::from) {
            if !change.is_in_header() {
                change.write(buf);
                changes += 1;
            }
        }
        let header = BatchHeader {
            salt: self.salt,
            number: self.next_number,
            len: 0,
            blocks_len: 0,
            records: blocks.records() - self.records,
            changes,
            index: batch.consistent_index,
            term: batch.term,
            newest: appended.newest,
        };
        writer.finish(buf, header);
        self.records = blocks.records();
        appended.blocks = blocks.into_blocks();
        Ok(appended)
    }

    /// Shows readers the blocks that were appended.
    pub(crate) fn publish(&self, appended: &Appended) {
        self.segment
            .publish(&appended.blocks, self.records, appended.cost, self.end);
    }

    /// Ends the segment with its seal; nothing may be appended afterwards.
    pub(crate) fn seal(&mut self, upper: Revision, sync: bool) -> Result<(), StoreFault> {
        let directory = ChunkWriter::new(Kind::Directory);
        let seal = Seal {
            data_end: self.end,
            directory: std::mem::replace(&mut self.directory, directory),
            blocks: &self.segment.copy_blocks(),
            records: self.records,
            upper,
        };
        let len = seal.write(&self.segment.file)?;
        if sync {
            self.segment.file.sync(self.end)?;
        }
        self.segment.seal(upper, len);
        Ok(())
    }
}

fn write_base(buf: &mut Vec<u8>, salt: u64, buckets: &Buckets, newest: Revision) {
    let mut writer = BatchWriter::begin(buf);
    writer.end_blocks(buf);
    let changes = buckets.write(buf);
    let (index, term) = buckets.consistent_index();
    let header = BatchHeader {
        salt,
        number: 0,
        len: 0,
        blocks_len: 0,
        records: 0,
        changes,
        index,
        term,
        newest,
    };
    writer.finish(buf, header);
}

/// The caller numbers the revisions; a store with two of a number or out of order is worthless.
fn assert_follows(previous: Revision, revision: Revision) {
    let is_number = revision.main >= 0 && (0..1 << 62).contains(&revision.sub);
    assert!(
        is_number && previous < revision,
        "revision {revision} cannot be committed after {previous}"
    );
}
