//! The store thread: commits batches of applied changes and gives space back, in the background.
//!
//! Applying never waits for it. What is applied but not yet written stays in memory; when that is more
//! than a bound, new requests are refused until the disk has caught up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mvcc::Pending;
use store::Store;

use super::fatal;
use super::inbox::Inbox;
use super::meters::Meters;
use super::raft_thread::RaftInput;

/// Bytes that one step of reclaiming copies, about a millisecond of work.
const RECLAIM_STEP_BYTES: u64 = 1 << 20;
/// Pause between two steps, so that reclaiming takes a small part of the disk and of a core.
const RECLAIM_PAUSE: Duration = Duration::from_millis(10);
/// How long nothing is looked for after there was nothing to reclaim.
const RECLAIM_REST: Duration = Duration::from_secs(5);

/// What the store thread is asked to do.
#[derive(Debug)]
pub(crate) enum StoreInput {
    /// Commit what was applied.
    Commit(Pending),
    /// Reclaim all garbage, however little.
    ReclaimAll,
}

/// The store thread's own state.
pub(crate) struct StoreThread {
    pub(crate) store: Store,
    pub(crate) raft: Inbox<RaftInput>,
    pub(crate) meters: Arc<Meters>,
}

impl StoreThread {
    /// Runs until the inbox is closed; everything that waits is committed before.
    pub(crate) fn run(mut self, inbox: &Inbox<StoreInput>) {
        let mut batch = Vec::new();
        let mut next_reclaim = Instant::now() + RECLAIM_REST;
        while inbox.take(&mut batch, Some(next_reclaim)) {
            let is_idle = batch.is_empty();
            for input in batch.drain(..) {
                match input {
                    StoreInput::Commit(pending) => {
                        let has_garbage = !pending.dead().is_empty();
                        self.commit(pending);
                        if has_garbage {
                            next_reclaim = next_reclaim.min(Instant::now() + RECLAIM_PAUSE);
                        }
                    }
                    StoreInput::ReclaimAll => {
                        self.store.defragment();
                        next_reclaim = Instant::now();
                    }
                }
            }
            if is_idle || next_reclaim <= Instant::now() {
                next_reclaim = Instant::now() + self.reclaim();
            }
        }
    }

    fn commit(&mut self, pending: Pending) {
        let begin = Instant::now();
        let (index, term) = (pending.batch().consistent_index, pending.batch().term);
        let written = pending.write(&mut self.store);
        written.unwrap_or_else(|fault| fatal("the store cannot be written", &fault));
        self.meters.store_committed(begin.elapsed());
        self.raft.push(RaftInput::Stored(index, term));
    }

    /// One step; how long to wait for the next.
    fn reclaim(&mut self) -> Duration {
        let reclaimed = self.store.reclaim(RECLAIM_STEP_BYTES);
        let reclaimed =
            reclaimed.unwrap_or_else(|fault| fatal("the store cannot be rewritten", &fault));
        if reclaimed.more {
            RECLAIM_PAUSE
        } else {
            RECLAIM_REST
        }
    }
}
