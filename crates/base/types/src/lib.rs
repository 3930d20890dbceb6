//! The nouns that every layer shares: identities, revisions, key ranges and the stored record.
//!
//! Nothing here does I/O or knows a protocol. Wire and disk messages stop at the edge of their
//! crate; inside, these types are used. The one encoding that lives here is that of the stored
//! [`Record`], because `HashKV` covers its bytes and so several layers must agree on them.

mod event;
mod id;
mod log;
mod range;
mod record;
mod revision;

pub use event::{Event, EventKind, RevisionEvents};
pub use id::{ClusterId, Index, LeaseId, MemberId, RequestId, Term};
pub use log::{ConfState, Entry, EntryKind, HardState, SnapshotMark};
pub use range::{EmptyKey, KeyRange};
pub use record::{DecodeRecordError, Record, RecordView};
pub use revision::{DecodeRevisionError, RecordKey, Revision};
