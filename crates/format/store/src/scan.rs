//! Reading records in revision order.

use bytes::Bytes;
use types::Revision;

use crate::block::BlockReader;
use crate::dead::DeadBits;
use crate::error::StoreFault;
use crate::segment::{BlockSpan, Segment};
use crate::store::Entry;
use crate::view::View;

/// What to read and how much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) view: &'a View,
    /// The dead marks to go by, a set for each segment; without it those of the moment.
    pub(crate) dead: Option<&'a [DeadBits]>,
    pub(crate) from: Revision,
    pub(crate) to_main: i64,
    pub(crate) max_records: usize,
    pub(crate) max_bytes: usize,
}

/// What was found up to now.
#[derive(Debug, Default)]
struct Found {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Scan<'_> {
    /// The live records from `from` to `to_main`, until a limit is reached; the record that
    /// reaches it is included. Nothing is returned only if nothing is there.
    pub(crate) fn run(&self) -> Result<Vec<Entry>, StoreFault> {
        let mut found = Found::default();
        let begin = self.view.position(self.from);
        for (number, segment) in self.view.segments.iter().enumerate().skip(begin) {
            let mut position = segment.position(self.from);
            while let Some(span) = segment.block(position) {
                if self.is_behind(span.block.first) || self.is_full(&found) {
                    return Ok(found.entries);
                }
                if !self.with_dead(number, segment, |dead| {
                    dead.contains_all(span.block.ordinal, span.records)
                }) {
                    self.read_block(number, segment, &span, &mut found)?;
                }
                position += 1;
            }
        }
        Ok(found.entries)
    }

    fn is_behind(&self, revision: Revision) -> bool {
        revision.main > self.to_main || revision > self.view.newest
    }

    fn is_full(&self, found: &Found) -> bool {
        found.entries.len() >= self.max_records.max(1)
            || (!found.entries.is_empty() && found.bytes >= self.max_bytes)
    }

    fn with_dead<T>(&self, number: usize, segment: &Segment, f: impl FnOnce(&DeadBits) -> T) -> T {
        match self.dead.and_then(|dead| dead.get(number)) {
            Some(dead) => f(dead),
            None => segment.with_dead(f),
        }
    }

    fn read_block(
        &self,
        number: usize,
        segment: &Segment,
        span: &BlockSpan,
        found: &mut Found,
    ) -> Result<(), StoreFault> {
        let bytes: Bytes = segment.read_block(&span.block)?;
        let damaged = |damage| segment.file.damaged(span.block.offset, damage);
        let mut reader = BlockReader::new(&bytes, span.block.first).map_err(damaged)?;
        let mut ordinal = span.block.ordinal;
        while let Some(record) = reader.next().map_err(damaged)? {
            if self.is_behind(record.revision) || self.is_full(found) {
                break;
            }
            let is_dead = self.with_dead(number, segment, |dead| dead.contains(ordinal));
            ordinal += 1;
            if record.revision < self.from || is_dead {
                continue;
            }
            found.bytes += record.record.len();
            found.entries.push(Entry {
                revision: record.revision,
                tombstone: record.tombstone,
                record: bytes.slice_ref(record.record),
            });
        }
        Ok(())
    }
}
