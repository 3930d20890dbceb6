//! The open log: appends, group commit, and the cut to the next segment.

use std::sync::Arc;

use disk::Dir;
use types::{Entry, HardState, Index, SnapshotMark};

use crate::encoder::Encoder;
use crate::error::{Action, Fault, WalError};
use crate::prepare::{Nursery, Preparer};
use crate::scan::Segment;
use crate::segment::SegmentName;

/// How far flushes fill a sparse segment with zeros ahead of the log. One flush in many gets longer
/// by this, and the others need no new blocks.
const ZERO_AHEAD_BYTES: u64 = 256 << 10;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment is cut when it is at least this long; etcd's is 64 000 000.
    pub segment_bytes: u64,
    /// Whether segments get their full size ahead of time.
    pub preallocate: bool,
    /// False for `--unsafe-no-fsync`: nothing is synced, and a crash of the machine loses or
    /// destroys the log.
    pub sync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64_000_000,
            preallocate: true,
            sync: true,
        }
    }
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Bytes of the log written, without zeros ahead of it.
    pub bytes: u64,
    /// Whether everything appended is durable.
    pub synced: bool,
    /// Whether a new segment was begun: time to prepare the next one.
    pub cut: bool,
}

/// Where the log stands in its last segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// Where the next frame goes.
    end: u64,
    /// Up to here the file's blocks are written, with frames or zeros.
    zeroed: u64,
    /// The length of the file.
    len: u64,
}

impl Position {
    /// In a file that a restart found.
    pub(crate) fn at(end: u64, len: u64) -> Self {
        // Whether the rest is allocated is not known; filling it again costs little.
        Self {
            end,
            zeroed: end,
            len,
        }
    }

    /// In a file of holes.
    pub(crate) fn sparse(options: &Options, end: u64) -> Self {
        Self::at(
            end,
            if options.preallocate {
                options.segment_bytes
            } else {
                end
            },
        )
    }

    fn advance(&mut self, frames: u64, zeros: u64) {
        self.end += frames;
        self.zeroed = self.zeroed.max(self.end + zeros);
        self.len = self.len.max(self.zeroed);
    }
}

/// A log open for appending; owned by one thread.
#[derive(Debug)]
pub struct Wal {
    dir: Arc<dyn Dir>,
    options: Options,
    /// The bytes of the metadata record, repeated verbatim in every segment.
    raw_metadata: Vec<u8>,
    encoder: Encoder,
    /// The locked segments, oldest first; the last one is written to.
    segments: Vec<Segment>,
    position: Position,
    last_index: Index,
    state: HardState,
    /// Whether something that a crash must not lose waits for a sync.
    needs_sync: bool,
    /// Whether anything at all was written since the last sync.
    is_dirty: bool,
    nursery: Nursery,
    is_poisoned: bool,
}

impl Wal {
    /// Puts a log together; `last` are the last index and the last state in it.
    pub(crate) fn assemble(
        dir: Arc<dyn Dir>,
        options: Options,
        raw_metadata: Vec<u8>,
        encoder: Encoder,
        segments: Vec<Segment>,
        position: Position,
        last: (Index, HardState),
    ) -> Self {
        assert!(!segments.is_empty(), "a log has a segment to write to");
        Self {
            dir,
            options,
            raw_metadata,
            encoder,
            segments,
            position,
            last_index: last.0,
            state: last.1,
            needs_sync: false,
            is_dirty: false,
            nursery: Nursery::default(),
            is_poisoned: false,
        }
    }

    /// Buffers entries, then the hard state if it is not empty.
    ///
    /// Nothing is written before [`Wal::flush`], so the caller bounds what it appends.
    ///
    /// # Errors
    /// [`WalError::Poisoned`] after a fault.
    pub fn append(&mut self, entries: &[Entry], state: Option<&HardState>) -> Result<(), WalError> {
        self.check_usable()?;
        for entry in entries {
            self.encoder.put_entry(entry);
            self.last_index = entry.index;
            self.needs_sync = true;
        }
        if let Some(state) = state.filter(|state| **state != HardState::default()) {
            self.needs_sync |= (state.term, state.vote) != (self.state.term, self.state.vote);
            self.encoder.put_state(state);
            self.state = *state;
        }
        Ok(())
    }

    /// Buffers a snapshot mark. Whoever opens the log later may start from it, so the snapshot
    /// itself must be durable before. A mark counts once a hard state commits its index: after a
    /// received snapshot the caller appends that state before any entries, or a crash between the
    /// two leaves a gap.
    ///
    /// # Errors
    /// [`WalError::Poisoned`] after a fault.
    ///
    /// # Panics
    /// When a mark above index 0 has no configuration: etcd 3.7 starts from the mark alone.
    pub fn append_snapshot(&mut self, mark: &SnapshotMark) -> Result<(), WalError> {
        assert!(
            mark.conf.is_some() || mark.index == Index(0),
            "a snapshot mark carries its configuration"
        );
        self.check_usable()?;
        self.encoder.put_snapshot(mark);
        self.last_index = self.last_index.max(mark.index);
        self.needs_sync = true;
        Ok(())
    }

    /// Writes everything buffered with one write, and makes it durable with one sync if anything in
    /// it needs that or `sync` asks for it. Then begins the next segment if this one is full.
    ///
    /// # Errors
    /// [`WalError::Fault`] when the disk fails; the log is out of use afterwards.
    pub fn flush(&mut self, sync: bool) -> Result<Flushed, WalError> {
        self.check_usable()?;
        self.try_flush(sync).map_err(|fault| {
            self.is_poisoned = true;
            fault.into()
        })
    }

    /// Makes the preparer of this log's segments, for a thread of its own.
    #[must_use]
    pub fn preparer(&self) -> Preparer {
        Preparer::new(Arc::clone(&self.dir), self.options, self.nursery.clone())
    }

    /// The index of the last entry or snapshot mark appended.
    #[must_use]
    pub fn last_index(&self) -> Index {
        self.last_index
    }

    /// The last hard state appended.
    #[must_use]
    pub fn state(&self) -> HardState {
        self.state
    }

    /// The bytes buffered since the last flush.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.encoder.bytes().len()
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn drop_before(&mut self, position: usize) {
        self.segments.drain(..position);
    }

    fn check_usable(&self) -> Result<(), WalError> {
        if self.is_poisoned {
            return Err(WalError::Poisoned {
                dir: self.dir.describe(""),
            });
        }
        Ok(())
    }

    fn tail(&self) -> &Segment {
        self.segments
            .last()
            .expect("a log has a segment to write to")
    }

    fn try_flush(&mut self, sync: bool) -> Result<Flushed, Fault> {
        let bytes = self.write_buffer()?;
        let must_sync = self.needs_sync || sync;
        if must_sync {
            self.sync_tail()?;
        }
        let is_full = self.position.end >= self.options.segment_bytes;
        if is_full {
            self.cut()?;
        }
        Ok(Flushed {
            bytes,
            synced: must_sync || is_full,
            cut: is_full,
        })
    }

    /// Writes the buffer, and zeros behind it where the file has no blocks yet.
    fn write_buffer(&mut self) -> Result<u64, Fault> {
        let frames = self.encoder.bytes().len();
        if frames == 0 {
            return Ok(0);
        }
        let frames = frames as u64;
        let zeros = self.zeros_ahead(frames);
        let tail = self.tail();
        tail.file
            .write_all_at(self.encoder.bytes(), self.position.end)
            .and_then(|()| match zeros {
                0 => Ok(()),
                zeros => {
                    let end = self.position.end + frames;
                    tail.file.write_zeros_at(zeros as usize, end)
                }
            })
            .map_err(Fault::new(Action::Write, &tail.path))?;
        self.position.advance(frames, zeros);
        self.encoder.clear();
        self.is_dirty = true;
        Ok(frames)
    }

    fn zeros_ahead(&self, frames: u64) -> u64 {
        let end = self.position.end + frames;
        if !self.options.preallocate || end <= self.position.zeroed {
            return 0;
        }
        let ahead = (end + ZERO_AHEAD_BYTES).min(self.options.segment_bytes);
        ahead.saturating_sub(end)
    }

    fn sync_tail(&mut self) -> Result<(), Fault> {
        if self.is_dirty && self.options.sync {
            let tail = self.tail();
            tail.file
                .sync_data()
                .map_err(Fault::new(Action::Sync, &tail.path))?;
        }
        self.is_dirty = false;
        self.needs_sync = false;
        Ok(())
    }

    /// Ends the full segment and begins the next one.
    fn cut(&mut self) -> Result<(), Fault> {
        self.end_tail()?;
        let fresh = self.nursery.take(&*self.dir, &self.options)?;
        let path = self.dir.describe(fresh.tmp);
        let head = self.encode_head();
        fresh
            .file
            .write_all_at(self.encoder.bytes(), 0)
            .map_err(Fault::new(Action::Write, &path))?;
        if self.options.sync {
            fresh
                .file
                .sync_data()
                .map_err(Fault::new(Action::Sync, &path))?;
        }
        self.encoder.clear();
        let name = SegmentName {
            sequence: self.tail().name.sequence + 1,
            index: Index(self.last_index.0.saturating_add(1)),
        };
        self.rename(fresh.tmp, &name)?;
        self.nursery.named();
        self.position = Position::sparse(&self.options, head);
        self.position.zeroed = self.position.zeroed.max(fresh.zeroed);
        self.segments.push(Segment {
            name,
            path: self.dir.describe(&name.to_string()),
            file: fresh.file,
        });
        Ok(())
    }

    /// Cuts the segment to what is written and makes that durable.
    fn end_tail(&mut self) -> Result<(), Fault> {
        if self.position.len > self.position.end {
            let tail = self.tail();
            tail.file
                .set_len(self.position.end)
                .map_err(Fault::new(Action::Write, &tail.path))?;
            self.is_dirty = true;
        }
        self.sync_tail()
    }

    /// Buffers the head of a segment; returns its length.
    fn encode_head(&mut self) -> u64 {
        self.encoder.put_crc();
        self.encoder.put_metadata(&self.raw_metadata);
        if self.state != HardState::default() {
            self.encoder.put_state(&self.state);
        }
        self.encoder.bytes().len() as u64
    }

    /// Gives a new segment its name, durably.
    fn rename(&self, tmp: &str, name: &SegmentName) -> Result<(), Fault> {
        let name = name.to_string();
        self.dir
            .rename(tmp, &name)
            .map_err(Fault::new(Action::Rename, self.dir.describe(&name)))?;
        if self.options.sync {
            self.dir
                .sync_dir("")
                .map_err(Fault::new(Action::Sync, self.dir.describe("")))?;
        }
        Ok(())
    }
}
