//! What can go wrong, by operation. All of it stops the member.

use std::fmt;
use std::io;

use types::Index;

use crate::codec::{DecodeError, RecordKind};

/// What was asked of the disk when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opening or creating a file.
    Open,
    /// Reading, or asking for a length.
    Read,
    /// Writing or changing the length.
    Write,
    /// Making contents or names durable.
    Sync,
    /// Giving a file its name.
    Rename,
    /// Removing a file.
    Remove,
    /// Listing or creating the directory.
    Directory,
}

/// The disk failed. A fault is never retried: what it left behind is not known.
#[derive(Debug, thiserror::Error)]
#[error("write-ahead log: cannot {action} {file}")]
pub struct Fault {
    /// What was tried.
    pub action: Action,
    /// The file or directory.
    pub file: String,
    /// What the operating system said.
    pub source: io::Error,
}

/// Appending failed; the log takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The disk failed in this call.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The disk failed in an earlier call.
    #[error("write-ahead log {dir} is out of use after a fault")]
    Poisoned {
        /// The directory of the log.
        dir: String,
    },
}

/// A log could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is one already.
    #[error("there is a write-ahead log in {dir}")]
    Exists {
        /// The directory.
        dir: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A log could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory holds no segment, or does not exist.
    #[error("there is no write-ahead log in {dir}")]
    NotFound {
        /// The directory.
        dir: String,
    },
    /// Another process has the log open.
    #[error("write-ahead log file {file} is locked by another process")]
    Locked {
        /// The segment.
        file: String,
    },
    /// A byte is wrong where no crash can have left it so.
    #[error("write-ahead log file {file} is damaged at byte {offset}")]
    Corrupt {
        /// The segment.
        file: String,
        /// Where the damaged frame begins.
        offset: u64,
        /// What is wrong with it.
        #[source]
        damage: Damage,
    },
    /// A segment is missing between others.
    #[error("write-ahead log in {dir} has no segment number {sequence:016x}")]
    MissingSegment {
        /// The directory.
        dir: String,
        /// The number that is missing.
        sequence: u64,
    },
    /// No segment says whose log it is.
    #[error("write-ahead log in {dir} holds no metadata")]
    MissingMetadata {
        /// The directory.
        dir: String,
    },
    /// No snapshot mark is covered by the committed index, or the one asked for is not there.
    #[error("write-ahead log in {dir} holds no matching snapshot record")]
    MissingSnapshot {
        /// The directory.
        dir: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The length word is impossible, or the record in it has another length.
    #[error("the length of the frame is wrong")]
    Length,
    /// The segment ends inside the frame.
    #[error("the file ends inside the frame")]
    Truncated,
    /// The zeros that end a segment are followed by something in the same sector.
    #[error("bytes follow the end of the log")]
    Stray,
    /// The last segment holds no whole record.
    #[error("the segment has no head")]
    Headless,
    /// The record cannot be decoded.
    #[error("the record cannot be decoded")]
    Record(#[source] DecodeError),
    /// The checksum of the record is wrong.
    #[error("crc mismatch: stored {stored:08x}, computed {computed:08x}")]
    Checksum {
        /// In the record.
        stored: u32,
        /// Over the data read.
        computed: u32,
    },
    /// The checksum is right but the message inside cannot be decoded.
    #[error("the {kind} message cannot be decoded")]
    Message {
        /// Which message.
        kind: RecordKind,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// Two segments name different owners.
    #[error("the metadata differs from that of an earlier record")]
    Metadata,
    /// An entry does not follow the one before it.
    #[error("entry {found} where at most {expected} can follow")]
    Gap {
        /// The highest index that could stand here.
        expected: Index,
        /// The index found.
        found: Index,
    },
    /// A snapshot mark has the index of the chosen one and another term.
    #[error("the snapshot at index {index} has another term")]
    SnapshotTerm {
        /// The index.
        index: Index,
    },
}

impl Fault {
    /// For `map_err`: attaches what was tried on which file.
    pub(crate) fn new(action: Action, file: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self {
            action,
            file,
            source,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Directory => "use the directory",
        })
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata",
            Self::Entry => "entry",
            Self::State => "state",
            Self::Crc => "crc",
            Self::Snapshot => "snapshot",
        })
    }
}
