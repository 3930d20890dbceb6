//! Why a database cannot be converted.

use boltfile::{ReadError, WriteError};
use bytes::Bytes;
use store::StoreFault;
use types::Revision;

/// Why a database was not imported. What was written is of no use then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database does not open.
    #[error(transparent)]
    Open(#[from] boltfile::OpenError),
    /// A page of the database is damaged.
    #[error("bucket {bucket:?}")]
    Page {
        /// The bucket; empty for the tree of buckets.
        bucket: Bytes,
        /// The page and what is wrong with it.
        source: ReadError,
    },
    /// A bucket is missing that every database of etcd has.
    #[error("no bucket {name:?}: not a database of etcd")]
    NoBucket {
        /// The bucket.
        name: &'static str,
    },
    /// There is a bucket that etcd does not have: its contents would be lost.
    #[error("unknown bucket {name:?}")]
    UnknownBucket {
        /// Its name.
        name: Bytes,
    },
    /// A key of the bucket of records is not a revision, or one that no member writes.
    #[error("bucket \"key\": {key:?} is not a revision")]
    NotARevision {
        /// The key.
        key: Bytes,
    },
    /// A revision occurs twice, as a change and as a deletion.
    #[error("bucket \"key\": revision {revision} occurs twice")]
    Twice {
        /// The revision.
        revision: Revision,
    },
    /// The value of a revision is not the record of that change.
    #[error("bucket \"key\": revision {revision}: {reason}")]
    Record {
        /// The revision.
        revision: Revision,
        /// What is wrong with its record.
        reason: RecordFault,
    },
    /// A value of the meta bucket is not what etcd writes.
    #[error("bucket \"meta\": bad value {value:?} of {key}")]
    Meta {
        /// The key.
        key: &'static str,
        /// The value.
        value: Bytes,
    },
    /// The revision cannot be raised by that much.
    #[error("revision {newest} cannot be raised by {bump}")]
    Bump {
        /// The newest revision.
        newest: i64,
        /// By how much.
        bump: i64,
    },
    /// The directory holds a store already.
    #[error("{dir} is not empty")]
    NotEmpty {
        /// The directory.
        dir: String,
    },
    /// The store cannot be made.
    #[error("cannot create the store")]
    Create(#[from] store::OpenError),
    /// The store cannot be written.
    #[error("cannot write the store")]
    Write(#[from] StoreFault),
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// Its fields cannot be read.
    #[error("bad field at byte {offset} of the record")]
    Field {
        /// Where in the record.
        offset: usize,
    },
    /// It says that it is the record of another revision.
    #[error("the record says modification revision {found}")]
    OtherRevision {
        /// What it says.
        found: i64,
    },
    /// Its numbers cannot be those of a key at that revision.
    #[error("the record says creation revision {create} and version {version}")]
    Numbers {
        /// The creation revision.
        create: i64,
        /// The version.
        version: i64,
    },
    /// It has fields but no key.
    #[error("the record has no key")]
    NoKey,
}

/// Why a store was not exported. The file is of no use then.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Reading the store or writing the file.
    #[error("cannot write the database")]
    Write(#[from] WriteError<StoreFault>),
    /// Finishing the file.
    #[error("cannot finish the database")]
    Finish(#[from] WriteError),
}
