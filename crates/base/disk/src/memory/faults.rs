//! What goes wrong on a simulated disk, and the counting that says when.

use std::io;

/// Faults to inject; operations count from 1 over the life of the disk (see [`Counts`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The write of this number fails after half of its bytes, rounded down to a sector's end.
    pub fail_write: Option<u64>,
    /// The sync (of a file or directory) of this number fails; what it covers stays un-synced.
    pub fail_sync: Option<u64>,
    /// Power is lost during the operation of this number: it fails, and everything after it.
    ///
    /// A change that is cut is as good as un-synced: a crash may keep, lose or tear it.
    pub cut_at: Option<u64>,
    /// Writes fail with `StorageFull` once this many bytes were written in all.
    pub full_after: Option<u64>,
}

/// How many operations that change something a disk has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Every change: writes, syncs, changes of length, creations, renames, removals.
    pub operations: u64,
    /// Calls of `write_all_at`.
    pub writes: u64,
    /// Calls of `sync_data` and `sync_dir`.
    pub syncs: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// How an operation that changes something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    /// About the first `written` bytes of a write arrive, nothing of anything else.
    Failed {
        written: usize,
        kind: io::ErrorKind,
    },
    /// The change is made, but nobody hears of it, and it is not durable.
    Cut,
}

/// The kind of change that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Write { len: usize },
    Sync,
    Name,
    Length,
}

/// Counts operations and decides about each.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    pub(crate) faults: Faults,
    pub(crate) counts: Counts,
    is_cut: bool,
}

impl Injector {
    /// Reading works until the power is gone.
    pub(crate) fn check_power(&self) -> io::Result<()> {
        if self.is_cut {
            return Err(power_lost());
        }
        Ok(())
    }

    /// Counts a change and says how it ends.
    pub(crate) fn judge(&mut self, change: Change) -> io::Result<Verdict> {
        self.check_power()?;
        self.counts.operations += 1;
        let mut verdict = match change {
            Change::Write { len } => self.judge_write(len),
            Change::Sync => self.judge_sync(),
            Change::Name | Change::Length => Verdict::Done,
        };
        if self.faults.cut_at == Some(self.counts.operations) {
            self.is_cut = true;
            verdict = Verdict::Cut;
        }
        Ok(verdict)
    }

    fn judge_write(&mut self, len: usize) -> Verdict {
        self.counts.writes += 1;
        let room = self
            .faults
            .full_after
            .map_or(u64::MAX, |limit| limit.saturating_sub(self.counts.bytes));
        if room < len as u64 {
            self.counts.bytes += room;
            return Verdict::Failed {
                written: room as usize,
                kind: io::ErrorKind::StorageFull,
            };
        }
        self.counts.bytes += len as u64;
        if self.faults.fail_write == Some(self.counts.writes) {
            return Verdict::Failed {
                written: len / 2,
                kind: io::ErrorKind::Other,
            };
        }
        Verdict::Done
    }

    fn judge_sync(&mut self) -> Verdict {
        self.counts.syncs += 1;
        if self.faults.fail_sync == Some(self.counts.syncs) {
            return Verdict::Failed {
                written: 0,
                kind: io::ErrorKind::Other,
            };
        }
        Verdict::Done
    }
}

pub(crate) fn power_lost() -> io::Error {
    io::Error::other("simulated power loss")
}

pub(crate) fn failed(kind: io::ErrorKind) -> io::Error {
    match kind {
        io::ErrorKind::Other => io::Error::other("simulated input/output error"),
        kind => kind.into(),
    }
}
