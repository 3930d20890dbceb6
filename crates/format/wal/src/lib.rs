//! The write-ahead log: raft's entries and hard state, in etcd's own format.
//!
//! A real etcd starts on what this crate wrote and the other way round, so every byte is given.
//!
//! # Vocabulary
//! - *Segment*: a file of about 64 MB; a sequence of frames that ends at the first zero length word.
//! - *Frame*: length word, record, padding to a multiple of 8. Frames never span segments.
//! - *Record*: kind, running checksum, message. Kinds: metadata, entry, state, crc, snapshot.
//! - *Mark*: a snapshot record; it says that the log up to its index is covered by a snapshot.
//!
//! ```text
//! 0000000000000000-0000000000000000.wal   crc 0 | metadata | snapshot 0 | entries, states, marks…
//! 0000000000000001-00000000000004d2.wal   crc   | metadata | state      | entries, states, marks…
//! 0.tmp or 1.tmp                          the next segment, zeros, made ahead of time
//! ```
//! Beside the log, etcd has a file for each mark ([`SnapFile`]) that versions before 3.7 start from.
//!
//! # Rules
//! 1. What [`Wal::flush`] synced is there after any crash; nothing is there that was not appended.
//!    What was appended later than the last sync may survive up to any record, never beyond a hole.
//! 2. One flush is one write and at most one sync. A sync is needed when entries or a snapshot mark
//!    were appended, or term or vote changed; a commit index alone can be lost.
//! 3. A segment gets its name after its head is durable, and takes records after the name is.
//! 4. A torn tail of the last segment is cut off when the log is opened, and kept in a `.broken`
//!    copy. Anything else that is wrong is refused with file and offset.
//! 5. A failed write or sync ends the log's use: what is on the disk is not known any more.
//! 6. Each segment that may still be needed is locked, so that neither a second member nor a purge
//!    takes it.
//!
//! # Different from etcd
//! - The next segment is filled with real zeros ahead of time instead of with `fallocate`: syncing
//!   a write over allocated blocks costs half. A segment that could not be prepared, and the
//!   first one, are filled with zeros a little ahead of the log by the flushes themselves.
//! - A log is created in its directory; its first segment gets its name last. etcd renames the
//!   directory, which does not work where it is a mount point.
//! - A reader follows truncations at and before the snapshot mark too; see `recovered`.
//! - Damage is told from a torn write more strictly; see `frame`.

mod codec;
mod create;
mod encoder;
mod error;
mod frame;
mod open;
mod prepare;
mod recovered;
mod repair;
mod retain;
mod scan;
mod segment;
mod snap_file;
mod writer;

pub use codec::{
    DecodeError, EntryView, Metadata, Record, RecordKind, decode_entry, decode_metadata,
    decode_record, decode_snapshot, decode_state,
};
pub use error::{Action, CreateError, Damage, Fault, OpenError, WalError};
pub use prepare::{Preparer, Progress};
pub use recovered::{Recovered, Repair, Start, read, snapshots};
pub use retain::purge;
pub use scan::{Item, scan};
pub use segment::{SegmentName, exists};
pub use snap_file::{SnapFile, SnapFileError, snap_name};
pub use writer::{Flushed, Options, Wal};
