//! What a stream reads of the store: past revisions and previous pairs.

use std::sync::Arc;

use bytes::Bytes;
use types::{KeyRange, RevisionEvents};

/// The bounds of what the store can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revisions {
    /// The newest revision that is visible.
    pub current: i64,
    /// Revisions below this one are gone; `-1` when nothing was ever compacted.
    pub compacted: i64,
}

/// A run of past revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The revisions with events in the range, ascending; a revision is whole or absent.
    pub revisions: Vec<Arc<RevisionEvents>>,
    /// Where the next chunk starts: everything below it has been looked at.
    pub next: i64,
}

/// Why the past could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryError<F> {
    /// The revision asked for is below the compacted one.
    Compacted {
        /// The compacted revision.
        at: i64,
    },
    /// The store cannot be read.
    Fault(F),
}

/// The store as the streams see it; the server implements it with a reader of the store, the
/// tests with a list.
pub trait History {
    /// Why the store could not be read at all.
    type Fault;

    /// The newest and the compacted revision, cheaply.
    fn revisions(&self) -> Revisions;

    /// Events in `range` from revision `from`, at most about `revisions_max` revisions and
    /// `bytes_max` bytes of events; a first revision larger than that comes nevertheless.
    ///
    /// Events outside of `range` may be among them. For `from` up to the current revision the
    /// chunk's `next` is beyond `from`, even when there is no event.
    ///
    /// # Errors
    /// [`HistoryError::Compacted`] when `from` is below the compacted revision; at exactly that
    /// revision its events are still there.
    fn history(
        &self,
        range: &KeyRange,
        from: i64,
        revisions_max: usize,
        bytes_max: usize,
    ) -> Result<Chunk, HistoryError<Self::Fault>>;

    /// The encoded record of `key` as it was at `revision`.
    ///
    /// # Errors
    /// [`HistoryError::Compacted`] when `revision` is below the compacted one.
    fn record_at(
        &self,
        key: &[u8],
        revision: i64,
    ) -> Result<Option<Bytes>, HistoryError<Self::Fault>>;
}
