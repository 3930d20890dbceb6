//! Records to what a member starts from: which snapshot, which entries after it.
//!
//! Two passes. The first reads all segments for snapshot marks and the committed index, and picks
//! the last mark that is covered by it. The second starts at the segment of that mark and collects.
//! Entries of the first pass are checked and dropped, so memory holds what is asked for only.

use bytes::Bytes;
use disk::Dir;
use types::{Entry, HardState, Index, SnapshotMark, Term};

use crate::codec::{
    DecodeError, Metadata, RecordKind, decode_entry, decode_metadata, decode_snapshot, decode_state,
};
use crate::error::{Damage, OpenError};
use crate::scan::{Item, ScanError, Scanner, Segment, open_to_read};
use crate::segment;

/// What a log holds from a snapshot mark on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Whose log it is.
    pub metadata: Metadata,
    /// The last hard state written.
    pub state: HardState,
    /// The mark from which the log was read: unless chosen by the caller, the last one whose index
    /// is committed. A new log has one at index 0.
    pub snapshot: SnapshotMark,
    /// The entries after the mark, without a gap.
    pub entries: Vec<Entry>,
    /// The tail that was cut off because a crash had torn it; only a log opened to write.
    pub repaired: Option<Repair>,
}

/// A torn tail that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The segment; a copy of it as found has `.broken` appended to its name.
    pub file: String,
    /// Where the segment ends since.
    pub offset: u64,
    /// What was wrong there.
    pub damage: Damage,
}

/// Which mark to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The last mark whose index is committed.
    Newest,
    /// The mark with this index and term, which must be in the log.
    At(Index, Term),
}

/// The second pass, with what a writer needs to go on.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) recovered: Recovered,
    /// The bytes of the metadata record, to be repeated verbatim.
    pub(crate) raw_metadata: Vec<u8>,
    pub(crate) last_index: Index,
    pub(crate) crc: u32,
    /// Where the log ends in the last segment.
    pub(crate) end: u64,
    /// The position of the first segment that the start needs.
    pub(crate) first_segment: usize,
    /// The tail after `end`, if it is torn.
    pub(crate) torn: Option<Damage>,
}

/// Reads a log without changing it; a torn tail ends it. Takes no lock.
///
/// # Errors
/// [`OpenError`] when there is no log, it is damaged, or the mark is missing.
pub fn read(dir: &dyn Dir, start: Start) -> Result<Recovered, OpenError> {
    let segments = open_to_read(dir, &segment::list(dir)?)?;
    Ok(collect(dir, &segments, start)?.recovered)
}

/// The snapshot marks in the log whose index is committed, oldest first. Takes no lock.
///
/// # Errors
/// [`OpenError`] when there is no log, or it is damaged.
pub fn snapshots(dir: &dyn Dir) -> Result<Vec<SnapshotMark>, OpenError> {
    let segments = open_to_read(dir, &segment::list(dir)?)?;
    committed_marks(&segments)
}

pub(crate) fn collect(
    dir: &dyn Dir,
    segments: &[Segment],
    start: Start,
) -> Result<Collected, OpenError> {
    let missing = || OpenError::MissingSnapshot {
        dir: dir.describe(""),
    };
    let (index, term) = match start {
        Start::At(index, term) => (index, term),
        Start::Newest => {
            let mark = committed_marks(segments)?.pop().ok_or_else(missing)?;
            (mark.index, mark.term)
        }
    };
    let names: Vec<_> = segments.iter().map(|segment| segment.name).collect();
    let first_segment = segment::position_for(&names, index).ok_or_else(missing)?;
    let mut collector = Collector::new(index, term);
    let (end, torn) = visit_all(&segments[first_segment..], |item| collector.add(item))?;
    let (raw_metadata, metadata) =
        collector
            .metadata
            .ok_or_else(|| OpenError::MissingMetadata {
                dir: dir.describe(""),
            })?;
    Ok(Collected {
        recovered: Recovered {
            metadata,
            state: collector.state,
            snapshot: collector.mark.ok_or_else(missing)?,
            entries: collector.entries,
            repaired: None,
        },
        raw_metadata,
        last_index: collector.last_index,
        crc: end.0,
        end: end.1,
        first_segment,
        torn,
    })
}

type End = (u32, u64);

/// Reads everything up to the end or to the torn tail.
fn visit_all(
    segments: &[Segment],
    mut visit: impl FnMut(&Item<'_>) -> Result<(), OpenError>,
) -> Result<(End, Option<Damage>), OpenError> {
    let mut scanner = Scanner::new(segments)?;
    loop {
        match scanner.next() {
            Ok(Some(item)) => visit(&item)?,
            Ok(None) => return Ok((scanner.end(), None)),
            Err(ScanError::Torn(damage)) => return Ok((scanner.end(), Some(damage))),
            Err(ScanError::Fatal(error)) => return Err(error),
        }
    }
}

/// The first pass.
fn committed_marks(segments: &[Segment]) -> Result<Vec<SnapshotMark>, OpenError> {
    let mut marks = Vec::new();
    let mut commit = Index(0);
    visit_all(segments, |item| {
        match item.kind {
            RecordKind::Snapshot => marks.push(decode(item, decode_snapshot)?),
            RecordKind::State => commit = decode(item, decode_state)?.commit,
            RecordKind::Metadata | RecordKind::Entry | RecordKind::Crc => {}
        }
        Ok(())
    })?;
    marks.retain(|mark| mark.index <= commit);
    Ok(marks)
}

fn decode<'a, T>(
    item: &Item<'a>,
    decode: impl Fn(&'a [u8]) -> Result<T, DecodeError>,
) -> Result<T, OpenError> {
    decode(item.data).map_err(|source| {
        item.corrupt(Damage::Message {
            kind: item.kind,
            source,
        })
    })
}

/// Gathers what the second pass reads.
///
/// The records are followed as the log was written: every entry cuts off what stood at its index
/// and after it, and a mark whose term is not the log's at its index replaces the log. etcd's reader leaves
/// entries up to the mark out of this, and can so bring back entries that a new leader's had
/// replaced: a member that then claims the older term of such an entry could give its vote to a
/// candidate that lacks committed entries.
#[derive(Debug)]
struct Collector {
    index: Index,
    term: Term,
    /// The term of the log at the mark's index, when the log has something there.
    term_at_mark: Option<Term>,
    metadata: Option<(Vec<u8>, Metadata)>,
    state: HardState,
    mark: Option<SnapshotMark>,
    entries: Vec<Entry>,
    last_index: Index,
}

impl Collector {
    fn new(index: Index, term: Term) -> Self {
        Self {
            index,
            term,
            term_at_mark: None,
            metadata: None,
            state: HardState::default(),
            mark: None,
            entries: Vec::new(),
            last_index: Index(0),
        }
    }

    fn add(&mut self, item: &Item<'_>) -> Result<(), OpenError> {
        match item.kind {
            RecordKind::Metadata => self.add_metadata(item),
            RecordKind::Entry => self.add_entry(item),
            RecordKind::Snapshot => self.add_mark(item),
            RecordKind::State => {
                self.state = decode(item, decode_state)?;
                Ok(())
            }
            RecordKind::Crc => Ok(()),
        }
    }

    fn add_metadata(&mut self, item: &Item<'_>) -> Result<(), OpenError> {
        match &self.metadata {
            Some((raw, _)) if raw == item.data => Ok(()),
            Some(_) => Err(item.corrupt(Damage::Metadata)),
            None => {
                self.metadata = Some((item.data.to_vec(), decode(item, decode_metadata)?));
                Ok(())
            }
        }
    }

    /// A later entry replaces the one at its index and all after it: so a follower's log is
    /// truncated, without a record of its own.
    fn add_entry(&mut self, item: &Item<'_>) -> Result<(), OpenError> {
        let view = decode(item, decode_entry)?;
        self.last_index = view.index;
        if view.index <= self.index {
            self.term_at_mark = (view.index == self.index).then_some(view.term);
            self.entries.clear();
            return Ok(());
        }
        let position = (view.index.0 - self.index.0 - 1) as usize;
        if position > self.entries.len() {
            return Err(item.corrupt(Damage::Gap {
                expected: Index(self.index.0 + self.entries.len() as u64 + 1),
                found: view.index,
            }));
        }
        self.entries.truncate(position);
        self.entries.push(Entry {
            kind: view.kind,
            term: view.term,
            index: view.index,
            data: Bytes::copy_from_slice(view.data),
        });
        Ok(())
    }

    fn add_mark(&mut self, item: &Item<'_>) -> Result<(), OpenError> {
        let mark = decode(item, decode_snapshot)?;
        self.last_index = self.last_index.max(mark.index);
        if mark.index != self.index {
            return Ok(());
        }
        if mark.term != self.term {
            return Err(item.corrupt(Damage::SnapshotTerm { index: mark.index }));
        }
        if self.term_at_mark.is_some_and(|term| term != mark.term) {
            // A received snapshot: the entries before it were of another history.
            self.entries.clear();
        }
        self.term_at_mark = Some(mark.term);
        self.mark = Some(mark);
        Ok(())
    }
}
