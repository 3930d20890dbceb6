//! The bytes of the log: protobuf by hand, because the exact bytes are the format.
//!
//! Nothing here touches a file. Decoders take whatever a disk may hold: they return errors with
//! offsets, never panic and never allocate by a length that they read.

mod entry;
mod metadata;
mod record;
mod snapshot;
mod state;

pub(crate) use entry::put_entry_head;
pub use entry::{EntryView, decode_entry};
pub use metadata::{Metadata, decode_metadata};
pub(crate) use record::{HeadCheck, check_head};
pub use record::{Record, RecordKind, decode_record};
pub use snapshot::decode_snapshot;
pub(crate) use snapshot::{conf_len, decode_conf, put_conf, put_snapshot};
pub use state::decode_state;
pub(crate) use state::put_state;

/// The bytes are not the message that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field is cut off or has an impossible wire type.
    #[error("bad field at byte {offset} of the message")]
    Field {
        /// Where the field begins.
        offset: usize,
    },
    /// A checksum of more than 32 bits.
    #[error("checksum {number:x} is too wide")]
    WideChecksum {
        /// The number found.
        number: u64,
    },
    /// A record of a type that no version of etcd writes.
    #[error("unknown record type {number}")]
    UnknownRecord {
        /// The number found.
        number: u64,
    },
    /// An entry of a type that no version of raft writes.
    #[error("unknown entry type {number}")]
    UnknownEntry {
        /// The number found.
        number: u64,
    },
}

impl From<wire::BadField> for DecodeError {
    fn from(wire::BadField { offset }: wire::BadField) -> Self {
        Self::Field { offset }
    }
}
