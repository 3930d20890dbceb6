//! Where a member's files are, and the small logs that are written beside a converted store.

use std::sync::Arc;

use disk::Dir;
use types::{Entry, HardState, SnapshotMark};
use wal::{Metadata, Options, Wal};

/// The directories of a member.
#[derive(Clone, Debug)]
pub struct MemberDirs {
    /// The directory `member` of the data directory.
    pub member: Arc<dyn Dir>,
    /// The directory that holds the log's directory.
    pub wal_parent: Arc<dyn Dir>,
    /// The name of the log's directory in it.
    pub wal_name: String,
}

impl MemberDirs {
    /// The directory of the log.
    #[must_use]
    pub fn wal(&self) -> Arc<dyn Dir> {
        self.wal_parent.sub(&self.wal_name)
    }
}

/// A log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It could not be begun.
    #[error(transparent)]
    Create(#[from] wal::CreateError),
    /// It could not be written to.
    #[error(transparent)]
    Write(#[from] wal::WalError),
}

/// What a log of one segment consists of, in this order.
pub(crate) struct Contents<'a> {
    pub(crate) metadata: Metadata,
    pub(crate) before: &'a [Entry],
    /// What is committed at least up to the mark.
    pub(crate) state: HardState,
    pub(crate) mark: Option<SnapshotMark>,
    pub(crate) after: &'a [Entry],
}

impl Contents<'_> {
    /// Writes the log and makes it durable.
    pub(crate) fn write(self, dirs: &MemberDirs, options: Options) -> Result<(), LogError> {
        let mut wal = Wal::create(&*dirs.wal_parent, &dirs.wal_name, options, &self.metadata)?;
        wal.append(self.before, Some(&self.state))?;
        if let Some(mark) = &self.mark {
            wal.append_snapshot(mark)?;
        }
        wal.flush(true)?;
        for entry in self.after {
            wal.append(std::slice::from_ref(entry), None)?;
            // Bounds the buffer; large logs are cut into segments by this as well.
            if wal.buffered_bytes() >= FLUSH_BYTES {
                wal.flush(false)?;
            }
        }
        wal.append(&[], Some(&self.state))?;
        wal.flush(true)?;
        Ok(())
    }
}

/// How much of a log is written at once.
const FLUSH_BYTES: usize = 1 << 20;
