//! What happened at a revision, encoded once for all who watch.

use bytes::Bytes;

/// What an event did to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The key was written.
    Put,
    /// The key was deleted, by request or by its lease.
    Delete,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The key.
    pub key: Bytes,
    /// Whether the put began a life of the key, so that there is no previous pair.
    pub created: bool,
    /// `mvccpb.Event` without `prev_kv`: for a put field 2 with the record, for a deletion also
    /// field 1 and a record of key and mod revision only.
    pub encoded: Bytes,
}

/// All changes of one revision, in the order of the transaction; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionEvents {
    /// The main revision.
    pub revision: i64,
    /// The changes.
    pub events: Vec<Event>,
}
