//! Records of many segments as one stream.
//!
//! The scanner knows about segments and checksums, not about what records mean. It never writes.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use disk::{Dir, File, LockKind, OpenMode};

use crate::codec::RecordKind;
use crate::error::{Action, Damage, Fault, OpenError};
use crate::frame::{FrameError, FrameReader, Located};
use crate::segment::{self, SegmentName};

/// A segment whose file is open.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) name: SegmentName,
    /// The path, for messages.
    pub(crate) path: String,
    pub(crate) file: Arc<dyn File>,
}

/// A record of the log and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The segment's path.
    pub file: &'a str,
    /// Where its frame begins.
    pub offset: u64,
    /// What `data` is.
    pub kind: RecordKind,
    /// The message of the record.
    pub data: &'a [u8],
}

/// Why reading stopped early.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The last segment ends in a torn write; the scanner stays before it.
    Torn(Damage),
    Fatal(OpenError),
}

impl From<OpenError> for ScanError {
    fn from(error: OpenError) -> Self {
        Self::Fatal(error)
    }
}

impl Item<'_> {
    /// The error that names this record.
    pub(crate) fn corrupt(&self, damage: Damage) -> OpenError {
        OpenError::Corrupt {
            file: self.file.to_owned(),
            offset: self.offset,
            damage,
        }
    }
}

/// Opens segments for reading.
pub(crate) fn open_to_read(
    dir: &dyn Dir,
    names: &[SegmentName],
) -> Result<Vec<Segment>, OpenError> {
    open_segments(dir, names, OpenMode::Read)
}

/// Opens segments for writing and locks each.
pub(crate) fn open_to_write(
    dir: &dyn Dir,
    names: &[SegmentName],
) -> Result<Vec<Segment>, OpenError> {
    let segments = open_segments(dir, names, OpenMode::Write)?;
    for segment in &segments {
        lock(segment)?;
    }
    Ok(segments)
}

fn lock(segment: &Segment) -> Result<(), OpenError> {
    match segment.file.try_lock(LockKind::Ofd) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(OpenError::Locked {
            file: segment.path.clone(),
        }),
        Err(error) => Err(Fault::new(Action::Open, &segment.path)(error).into()),
    }
}

fn open_segments(
    dir: &dyn Dir,
    names: &[SegmentName],
    mode: OpenMode,
) -> Result<Vec<Segment>, OpenError> {
    let open = |name: &SegmentName| {
        let text = name.to_string();
        let path = dir.describe(&text);
        let file = dir
            .open(&text, mode)
            .map_err(Fault::new(Action::Open, &path))?;
        Ok(Segment {
            name: *name,
            path,
            file,
        })
    };
    names.iter().map(open).collect()
}

/// Reads the records of consecutive segments.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    segments: &'a [Segment],
    at: usize,
    reader: FrameReader,
    crc: u32,
}

impl<'a> Scanner<'a> {
    /// Starts at the first of `segments`, of which there must be one.
    pub(crate) fn new(segments: &'a [Segment]) -> Result<Self, OpenError> {
        Ok(Self {
            segments,
            at: 0,
            reader: open_reader(&segments[0])?,
            crc: 0,
        })
    }

    /// The running checksum and the offset in the last segment, after all was read.
    pub(crate) fn end(&self) -> (u32, u64) {
        (self.crc, self.reader.offset())
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<Item<'_>>, ScanError> {
        let record = loop {
            if let Some(record) = self.next_here()? {
                break record;
            }
            if self.is_last() {
                return self.check_head().map(|()| None);
            }
            self.at += 1;
            self.reader = open_reader(&self.segments[self.at])?;
        };
        Ok(Some(Item {
            file: &self.segments[self.at].path,
            offset: record.offset,
            kind: record.kind,
            data: self.reader.data(&record),
        }))
    }

    fn is_last(&self) -> bool {
        self.at + 1 == self.segments.len()
    }

    /// The next record of this segment.
    fn next_here(&mut self) -> Result<Option<Located>, ScanError> {
        let offset = self.reader.offset();
        match self.reader.next(&mut self.crc) {
            Ok(record) => Ok(record),
            // A segment gets its name when its head is durable, so the head cannot be torn.
            Err(FrameError::Torn(damage)) if self.is_last() && offset > 0 => {
                Err(ScanError::Torn(damage))
            }
            Err(FrameError::Torn(damage) | FrameError::Damaged(damage)) => {
                Err(self.corrupt(offset, damage).into())
            }
            Err(FrameError::Read(error)) => {
                let path = &self.segments[self.at].path;
                Err(OpenError::from(Fault::new(Action::Read, path)(error)).into())
            }
        }
    }

    /// At the end of the last segment: a log can only go on after a head.
    fn check_head(&self) -> Result<(), ScanError> {
        match self.reader.offset() {
            0 => Err(self.corrupt(0, Damage::Headless).into()),
            _ => Ok(()),
        }
    }

    fn corrupt(&self, offset: u64, damage: Damage) -> OpenError {
        OpenError::Corrupt {
            file: self.segments[self.at].path.clone(),
            offset,
            damage,
        }
    }
}

fn open_reader(segment: &Segment) -> Result<FrameReader, OpenError> {
    let reader = FrameReader::new(Arc::clone(&segment.file));
    Ok(reader.map_err(Fault::new(Action::Read, &segment.path))?)
}

/// Shows every record of the log to `visit`, oldest first, until it breaks off. A torn tail ends
/// the log without an error. Needs no write access and takes no lock.
///
/// # Errors
/// [`OpenError`] when there is no log, or it is damaged.
pub fn scan(
    dir: &dyn Dir,
    visit: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let segments = open_to_read(dir, &segment::list(dir)?)?;
    let mut scanner = Scanner::new(&segments)?;
    loop {
        match scanner.next() {
            Ok(Some(item)) if visit(item).is_continue() => {}
            Ok(_) | Err(ScanError::Torn(_)) => return Ok(()),
            Err(ScanError::Fatal(error)) => return Err(error),
        }
    }
}
