//! What can go wrong: faults of this machine's disk, always with file and offset.
//!
//! Nothing here is retried, and nothing here is the client's business.

use std::io;

/// The store's files or their medium are wrong: stop the member.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// Bytes could not be read.
    #[error("cannot read {file} at byte {offset}")]
    Read {
        /// The file.
        file: String,
        /// Where reading began.
        offset: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// Bytes could not be written, or not be made durable.
    #[error("cannot write {file} at byte {offset}")]
    Write {
        /// The file.
        file: String,
        /// Where writing began; for a sync, where the bytes begin that it was to cover.
        offset: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// A file could not be created, opened, renamed, removed, or its name not be made durable.
    #[error("cannot {action} {file}")]
    Name {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// The bytes are not what was written.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where the damage was noticed.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A batch to commit holds bytes that are not a record.
    #[error("the record of revision {revision} is not one: bad field at byte {offset}")]
    NotARecord {
        /// The revision.
        revision: types::Revision,
        /// Where in the record.
        offset: usize,
    },
    /// An earlier change failed; the store is not touched again until it is opened anew.
    #[error("the store stopped after an earlier fault")]
    Stopped,
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the store open.
    #[error("{file} is locked by another process")]
    Locked {
        /// The lock file.
        file: String,
    },
    /// The file was written by a later version.
    #[error("{file} has format version {version}, newer than {supported}")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
        /// The newest version that is understood here.
        supported: u32,
    },
    /// A segment between others, or the newest, is not there.
    #[error("segment {sequence} is missing in {directory}")]
    MissingSegment {
        /// The directory.
        directory: String,
        /// The first sequence number that no file covers.
        sequence: u64,
    },
    /// Two files claim the same sequence numbers, and neither supersedes the other.
    #[error("{file} overlaps with another segment")]
    OverlappingSegment {
        /// The file.
        file: String,
    },
    /// A file is named like a segment but not quite.
    #[error("{file} is not the name of a segment")]
    NotASegmentName {
        /// The file.
        file: String,
    },
    /// The disk or its contents are wrong.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}
