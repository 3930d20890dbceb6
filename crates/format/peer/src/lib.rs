//! What members send each other, as bytes: raft messages, and the frames of the streams between them.
//!
//! The bytes are etcd's own. Nothing here touches a socket: writers append to a buffer, readers take
//! what has arrived in pieces of any size. Readers survive any bytes; they return errors with
//! offsets, never panic, and hold no more than what has arrived.
//!
//! ```text
//! message stream   length of 8 bytes, message; again and again
//! append stream    0 | 1 entries that follow the frame before | 2 message      (see `append`)
//! POST /raft       message
//! POST /raft/snapshot   length of 8 bytes, message, then a database image to the end
//! ```

mod append;
mod entry;
mod message;
mod reader;
mod snapshot;
mod stream;

pub use append::AppendWriter;
pub use message::{Message, Snapshot, decode_message, encode_message};
pub use reader::{FrameError, Framing, StreamReader};
pub use stream::{
    MESSAGE_BYTES_MAX, POST_BYTES_MAX, SNAPSHOT_MESSAGE_BYTES_MAX, SnapshotReader, put_framed,
    put_link_heartbeat, snapshot_head,
};

/// Entries that one message may hold.
pub const ENTRIES_MAX: usize = 1 << 20;
/// Members that one configuration may name.
pub const CONF_MEMBERS_MAX: usize = 1 << 12;

/// The number of a heartbeat message: on a stream, one without sender and receiver says that the
/// link is alive.
const HEARTBEAT: u64 = 8;
/// The number of an append message, the only one on an append stream.
const APPEND: u64 = 3;

/// The bytes are not the message that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field is cut off or has an impossible wire type.
    #[error("bad field at byte {offset} of the message")]
    Field {
        /// Where the field begins.
        offset: usize,
    },
    /// An entry of a type that no version of raft knows.
    #[error("unknown entry type {number}")]
    UnknownEntry {
        /// The number found.
        number: u64,
    },
    /// More entries than any member sends.
    #[error("more than {ENTRIES_MAX} entries in one message")]
    TooManyEntries,
    /// A configuration with more members than any cluster has.
    #[error("more than {CONF_MEMBERS_MAX} members in one configuration")]
    TooManyMembers,
}

impl From<wire::BadField> for DecodeError {
    fn from(wire::BadField { offset }: wire::BadField) -> Self {
        Self::Field { offset }
    }
}
