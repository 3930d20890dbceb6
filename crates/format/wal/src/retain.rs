//! Segments that are not needed any more.

use std::io;

use disk::{Dir, LockKind, OpenMode};
use types::Index;

use crate::error::{Action, Fault};
use crate::segment::SegmentName;
use crate::writer::Wal;

impl Wal {
    /// Gives up the locks of segments that a start from a snapshot at `index` does not need, so that
    /// a purge may remove them.
    pub fn release(&mut self, index: Index) {
        let held = self.segments();
        let keep_from = held
            .iter()
            .position(|segment| segment.name.index >= index)
            .unwrap_or(held.len())
            .saturating_sub(1);
        self.drop_before(keep_from);
    }
}

/// Removes the oldest segments beyond `keep`, up to the first one that is locked; returns the names
/// removed. With `keep` 0 nothing is ever removed.
///
/// # Errors
/// [`Fault`] when the disk fails; the log itself is not harmed.
pub fn purge(dir: &dyn Dir, keep: usize) -> Result<Vec<String>, Fault> {
    let names = dir
        .list("")
        .map_err(Fault::new(Action::Directory, dir.describe("")))?;
    let mut segments: Vec<_> = (names.into_iter())
        .filter(|name| SegmentName::parse(name).is_some())
        .collect();
    let surplus = if keep == 0 {
        0
    } else {
        segments.len().saturating_sub(keep)
    };
    segments.truncate(surplus);
    let mut removed = Vec::new();
    for name in segments {
        if !remove_unlocked(dir, &name)? {
            break;
        }
        removed.push(name);
    }
    Ok(removed)
}

/// Removes a segment durably, so that a crash cannot leave a gap; false if it is locked.
fn remove_unlocked(dir: &dyn Dir, name: &str) -> Result<bool, Fault> {
    let fault = |action| Fault::new(action, dir.describe(name));
    let file = dir
        .open(name, OpenMode::Write)
        .map_err(fault(Action::Open))?;
    match file.try_lock(LockKind::Ofd) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(fault(Action::Open)(error)),
    }
    dir.remove(name).map_err(fault(Action::Remove))?;
    dir.sync_dir("")
        .map_err(Fault::new(Action::Sync, dir.describe("")))?;
    Ok(true)
}
