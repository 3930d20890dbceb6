//! The store's past, as the stream machines ask for it.

use bytes::Bytes;
use mvcc::RangeError;
use types::KeyRange;
use watch::{Chunk, History, HistoryError, Revisions};

use crate::engine::Engine;

/// The store as it is at each question: a snapshot from the leader may replace it in between.
pub(super) struct Store<'a>(&'a Engine);

impl<'a> Store<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self(engine)
    }
}

impl History for Store<'_> {
    type Fault = RangeError;

    fn revisions(&self) -> Revisions {
        let mvcc::Revisions { current, compacted } = self.0.reader().revisions();
        Revisions { current, compacted }
    }

    fn history(
        &self,
        range: &KeyRange,
        from: i64,
        revisions_max: usize,
        bytes_max: usize,
    ) -> Result<Chunk, HistoryError<RangeError>> {
        let history = self
            .0
            .reader()
            .history(range, from, revisions_max, bytes_max);
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
        self.0.reader().record_at(key, revision).map_err(refusal)
    }
}

/// Only what the store has made visible is asked for, so a revision in the future is a fault.
fn refusal(error: RangeError) -> HistoryError<RangeError> {
    match error {
        RangeError::Compacted { at } => HistoryError::Compacted { at },
        fault => HistoryError::Fault(fault),
    }
}
