//! Long reads, so that they do not hold up the other calls of their connection thread.

use mvcc::{RangeError, RangeQuery, Reader};
use proto::error::Error;
use rpc::Status;
use types::KeyRange;

/// Keys that a read may touch on the connection's own thread: about a millisecond of work.
pub(super) const KEYS_ON_THREAD: i64 = 1000;

/// Runs a long read on a thread of the blocking pool.
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    // Only a shutdown of the runtime, or a panic, takes the answer away.
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Stopped.into())
}

/// Whether a query is short enough for the connection's own thread.
pub(super) fn is_short(reader: &Reader, query: &RangeQuery) -> Result<bool, RangeError> {
    if matches!(query.range, KeyRange::Point(_)) {
        return Ok(true);
    }
    let is_paged = (1..=KEYS_ON_THREAD).contains(&query.limit);
    if is_paged && query.sort == mvcc::Sort::None && has_no_filters(query) {
        return Ok(true);
    }
    // The count at the current revision is in the index's nodes.
    Ok(reader.count(&query.range, 0)? <= KEYS_ON_THREAD)
}

fn has_no_filters(query: &RangeQuery) -> bool {
    (query.mod_revisions, query.create_revisions) == ((0, 0), (0, 0))
}
