//! The store thread: commits batches of applied changes and gives space back, in the background.
//!
//! Applying never waits for it. What is applied but not yet written stays in memory; when that is more
//! than a bound, new requests are refused until the disk has caught up.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use mvcc::{Pending, Writer};
use raft::Message;
use store::Store;
use types::Index;

use super::fatal;
use super::inbox::Inbox;
use super::install;
use super::meters::Meters;
use super::outgoing;
use super::raft_thread::RaftInput;
use super::receive::Place;
use super::shared::Engine;
use crate::gentle;

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
    /// Send a follower what is committed by now.
    Snapshot(Box<Message>),
    /// Go on with the store of a received snapshot.
    Install(Index, SyncSender<Installed>),
    /// Remove the store of a received snapshot.
    Discard(Index),
}

/// The parts of a store that has taken the place of another.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) writer: Writer,
    pub(crate) reader: mvcc::Reader,
    pub(crate) files: store::Reader,
}

/// The store thread's own state.
pub(crate) struct StoreThread {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) mvcc: mvcc::Options,
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
                    StoreInput::Snapshot(message) => {
                        let view = self.store.reader().snapshot();
                        outgoing::begin(&self.engine, *message, view);
                    }
                    StoreInput::Install(index, done) => {
                        let installed = self.install(index);
                        // The apply thread waits for it.
                        let _ = done.send(installed);
                    }
                    StoreInput::Discard(index) => self.discard(index),
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

    /// Puts the store of a received snapshot into the place of this one. The log says already that
    /// it holds, so there is no way back.
    fn install(&mut self, index: Index) -> Installed {
        let Place { member_dir, store } = &self.engine.shared().place;
        if let Err(fault) = install::swap(&**member_dir, index) {
            fatal("a received snapshot cannot be installed", &fault);
        }
        let dir = member_dir.sub(install::CURRENT);
        let opened = gentle::run("etcd-install", || {
            mvcc::open_gently(dir, store.clone(), self.mvcc, &mut gentle::rests())
        });
        let opened =
            opened.unwrap_or_else(|error| fatal("a received snapshot needs a thread", &error));
        let (writer, reader, store) = opened
            .unwrap_or_else(|fault| fatal("the store of a received snapshot is damaged", &fault));
        let files = store.reader();
        self.store = store;
        if let Err(fault) = install::remove_old(&**member_dir) {
            // It takes room until the next start.
            tracing::warn!(
                error = super::describe(&fault),
                "cannot remove the old store"
            );
        }
        Installed {
            writer,
            reader,
            files,
        }
    }

    fn discard(&self, index: Index) {
        let dir = &self.engine.shared().place.member_dir;
        if let Err(fault) = install::discard(&**dir, index) {
            tracing::warn!(error = super::describe(&fault), "cannot remove a snapshot");
        }
        self.engine.received();
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
