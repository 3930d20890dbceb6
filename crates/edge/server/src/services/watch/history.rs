//! The store's past, as the stream machines ask for it.

use bytes::Bytes;
use mvcc::RangeError;
use types::KeyRange;
use watch::{Chunk, History, HistoryError, Revisions};

/// A reader of the store.
pub(super) struct Store<'a>(&'a mvcc::Reader);

impl<'a> Store<'a> {
    pub(super) fn new(reader: &'a mvcc::Reader) -> Self {
        Self(reader)
    }
}

impl History for Store<'_> {
    type Fault = RangeError;

    fn revisions(&self) -> Revisions {
        let mvcc::Revisions { current, compacted } = self.0.revisions();
        Revisions { current, compacted }
    }

    fn history(
        &self,
        range: &KeyRange,
        from: i64,
        revisions_max: usize,
        bytes_max: usize,
    ) -> Result<Chunk, HistoryError<RangeError>> {
        let history = self.0.history(range, from, revisions_max, bytes_max);
        let mvcc::History { events, next } = history.map_err(refusal)?;
        Ok(Chunk {
            revisions: events,
            next,
        })
    }

    fn record_at(
        &self,
        key: &[u8],
        revision: i64,
    ) -> Result<Option<Bytes>, HistoryError<RangeError>> {
        self.0.record_at(key, revision).map_err(refusal)
    }
}

/// Only what the store has made visible is asked for, so a revision in the future is a fault.
fn refusal(error: RangeError) -> HistoryError<RangeError> {
    match error {
        RangeError::Compacted { at } => HistoryError::Compacted { at },
        fault => HistoryError::Fault(fault),
    }
}
