//! Opening a store: lock, choose the files that count, read directories, read the newest segment,
//! cut off what is torn.

use std::io::ErrorKind;
use std::sync::Arc;

use disk::{Dir, File, LockKind, OpenMode};
use types::Revision;

use crate::active::{Active, NEXT_NAME};
use crate::bucket::Buckets;
use crate::cursor::Damage;
use crate::directory::DirectoryEntry;
use crate::error::{OpenError, StoreFault};
use crate::file::{SegmentFile, name_fault, remove, sync_names};
use crate::header::{FORMAT_VERSION, SEGMENT_HEADER_LEN, SegmentHeader, SegmentId};
use crate::log::read_log;
use crate::rewrite::REWRITE_NAME;
use crate::seal::open_sealed;
use crate::store::{Options, Recovered, Store};
use crate::view::{Shared, View};

const LOCK_NAME: &str = "LOCK";

impl Store {
    /// Opens the store in `dir`, or makes one; `visit` sees every record that is there, in revision
    /// order. The directory's own name in its parent is made durable by the caller.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is changed if anything but a torn end is wrong.
    pub fn open(
        dir: Arc<dyn Dir>,
        options: Options,
        visit: &mut dyn FnMut(DirectoryEntry<'_>),
    ) -> Result<Self, OpenError> {
        let lock = lock(&*dir)?;
        let files = Files::list(&*dir)?;
        let mut segments = Vec::new();
        let mut lower = Revision::default();
        let recovered = if let Some((newest, sealed)) = files.current.split_last() {
            for id in sealed {
                let (file, _) = open_segment(&*dir, *id)?;
                let segment = open_sealed(*id, file, lower, visit)?;
                lower = segment.upper();
                segments.push(Arc::new(segment));
            }
            let recovered = resume(&*dir, *newest, lower, visit)?;
            files.remove_rest(&*dir)?;
            recovered
        } else {
            files.remove_rest(&*dir)?;
            let buckets = Buckets::default();
            let active = Active::create(&*dir, &options, 1, &buckets, lower)?;
            (active, buckets, lower)
        };
        let (active, buckets, newest) = recovered;
        segments.push(Arc::clone(&active.segment));
        let recovered = Recovered {
            shared: Shared::new(View { segments, newest }, buckets),
            active,
            generation: files.generation,
            lock,
        };
        Ok(Self::new(dir, options, recovered))
    }
}

fn lock(dir: &dyn Dir) -> Result<Arc<dyn File>, OpenError> {
    let fault = |action, source| OpenError::Fault(name_fault(dir, action, LOCK_NAME, source));
    dir.create_dir_all("")
        .map_err(|source| name_fault(dir, "create the directory", "", source))?;
    let file = dir
        .open(LOCK_NAME, OpenMode::Truncate)
        .map_err(|source| fault("open", source))?;
    match file.try_lock(LockKind::Flock) {
        Ok(()) => Ok(file),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(OpenError::Locked {
            file: dir.describe(LOCK_NAME),
        }),
        Err(source) => Err(fault("lock", source)),
    }
}

/// The files of the directory, sorted out.
#[derive(Debug)]
struct Files {
    /// Those that count: sorted, without gap or overlap, the newest last.
    current: Vec<SegmentId>,
    /// Names of superseded and unfinished files.
    rest: Vec<String>,
    /// The highest generation of all.
    generation: u64,
}

impl Files {
    fn list(dir: &dyn Dir) -> Result<Self, OpenError> {
        let names = dir
            .list("")
            .map_err(|source| name_fault(dir, "list", "", source))?;
        // What is seen below must not vanish in a crash after something was built on it.
        sync_names(dir)?;
        let mut found = Vec::new();
        let mut rest = Vec::new();
        for name in names {
            match SegmentId::parse(&name) {
                Some(Ok(id)) => found.push(id),
                Some(Err(_)) => {
                    return Err(OpenError::NotASegmentName {
                        file: dir.describe(&name),
                    });
                }
                None if name == NEXT_NAME || name == REWRITE_NAME => rest.push(name),
                None => {}
            }
        }
        let current = without_superseded(&found);
        let superseded = found.iter().filter(|id| !current.contains(id));
        rest.extend(superseded.map(SegmentId::file_name));
        check_cover(dir, &current)?;
        Ok(Self {
            current,
            rest,
            generation: found.iter().map(|id| id.generation).max().unwrap_or(0),
        })
    }

    /// Removes what does not count; only called when all that counts could be read.
    fn remove_rest(&self, dir: &dyn Dir) -> Result<(), StoreFault> {
        self.rest.iter().try_for_each(|name| remove(dir, name))
    }
}

/// Those that no other supersedes, sorted. Wider ones come first among those that begin at the
/// same number, so each needs to be compared with the last one kept only.
fn without_superseded(found: &[SegmentId]) -> Vec<SegmentId> {
    let mut sorted = found.to_vec();
    sorted.sort_by_key(|id| (id.first, std::cmp::Reverse((id.last, id.generation))));
    let mut current: Vec<SegmentId> = Vec::new();
    for id in sorted {
        if !current.last().is_some_and(|last| last.supersedes(&id)) {
            current.push(id);
        }
    }
    current
}

/// Checks that the segments cover 1 to the newest once, and that commits can go on in the newest.
fn check_cover(dir: &dyn Dir, current: &[SegmentId]) -> Result<(), OpenError> {
    let missing = |sequence| {
        let directory = dir.describe("");
        Err(OpenError::MissingSegment {
            directory,
            sequence,
        })
    };
    let mut next = 1;
    for id in current {
        if id.first > next {
            return missing(next);
        }
        if id.first < next {
            return Err(OpenError::OverlappingSegment {
                file: dir.describe(&id.file_name()),
            });
        }
        next = id.last.saturating_add(1);
    }
    match current.last() {
        Some(newest) if !newest.is_log() => missing(next),
        _ => Ok(()),
    }
}

/// Opens a segment and checks its header; returns the salt.
fn open_segment(dir: &dyn Dir, id: SegmentId) -> Result<(SegmentFile, u64), OpenError> {
    let file = SegmentFile::open(dir, &id.file_name(), OpenMode::Write)?;
    let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
    file.read(&mut bytes, 0)?;
    let header = SegmentHeader::read(&bytes).map_err(|damage| file.damaged(0, damage))?;
    if header.version > FORMAT_VERSION {
        return Err(OpenError::Version {
            file: file.shown(),
            version: header.version,
            supported: FORMAT_VERSION,
        });
    }
    if header.id != id {
        let damage = Damage::new(16, "the header is that of another segment");
        return Err(file.damaged(0, damage).into());
    }
    Ok((file, header.salt))
}

/// Reads the newest segment and makes it ready for the next commit.
fn resume(
    dir: &dyn Dir,
    id: SegmentId,
    lower: Revision,
    visit: &mut dyn FnMut(DirectoryEntry<'_>),
) -> Result<(Active, Buckets, Revision), OpenError> {
    let (file, salt) = open_segment(dir, id)?;
    let log = read_log(&file, salt, lower, visit)?;
    if file.len()? > log.end {
        file.cut(log.end)?;
    }
    // A batch may be whole only in the page cache.
    file.sync(SEGMENT_HEADER_LEN)?;
    Ok(Active::resume(id, file, salt, log))
}
