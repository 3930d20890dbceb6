//! The log thread: writes everything that waits with one write and one `fdatasync`, then tells raft.
//!
//! It starts again at once, without a timer: while one group is being synced the next one gathers.
//! A failed write or sync stops the member; nothing is retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use disk::Dir;
use raft::{Ticket, Write};
use types::{HardState, Index, SnapshotMark};
use wal::{Preparer, Progress, Wal};

use super::apply_thread::ApplyInput;
use super::fatal;
use super::inbox::Inbox;
use super::meters::Meters;
use super::raft_thread::RaftInput;
use crate::gentle::{Way, give_way};

/// Pause between two steps of preparing, so that the log's own syncs do not wait for its blocks.
const PREPARE_PAUSE: Duration = Duration::from_millis(20);
/// How often a prepared segment is looked after.
const PREPARE_REST: Duration = Duration::from_secs(1);
/// Pause after preparing has failed.
const PREPARE_RETRY: Duration = Duration::from_secs(10);

/// What the log thread is asked to do, in order.
#[derive(Debug)]
pub(crate) enum LogInput {
    /// Entries and hard state to write.
    Write(Write),
    /// The store holds everything up to here: restarts may begin at this mark.
    Mark(SnapshotMark),
    /// Remove segments that are not needed, beyond so many; zero keeps all.
    Purge(usize),
}

/// The log thread's own state.
pub(crate) struct LogThread {
    pub(crate) wal: Wal,
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) raft: Inbox<RaftInput>,
    pub(crate) apply: Inbox<ApplyInput>,
    pub(crate) meters: Arc<Meters>,
}

impl LogThread {
    /// Runs until the inbox is closed.
    pub(crate) fn run(mut self, inbox: &Inbox<LogInput>) {
        let mut batch = Vec::new();
        while inbox.take(&mut batch, None) {
            match self.write_group(&mut batch) {
                Ok(Some(ticket)) => self.raft.push(RaftInput::Persisted(ticket)),
                Ok(None) => {}
                Err(error) => fatal("the log cannot be written", &error),
            }
        }
    }

    /// Writes one group; the newest ticket that it made durable.
    fn write_group(&mut self, batch: &mut Vec<LogInput>) -> Result<Option<Ticket>, wal::WalError> {
        let mut ticket = None;
        let mut must_sync = false;
        let mut release = None;
        let mut purge = None;
        let mut received = None;
        let mut last = None;
        for input in batch.drain(..) {
            match input {
                LogInput::Write(write) => {
                    if let Some(snapshot) = write.snapshot {
                        self.append_received(&snapshot.mark, write.hard_state)?;
                        release = Some(snapshot.mark.index);
                        received = Some(snapshot.mark);
                    }
                    self.wal.append(&write.entries, write.hard_state.as_ref())?;
                    must_sync |= write.must_sync;
                    last = write.entries.last().map(|entry| entry.index).or(last);
                    ticket = Some(write.ticket);
                }
                LogInput::Mark(mark) => {
                    self.wal.append_snapshot(&mark)?;
                    must_sync = true;
                    release = Some(mark.index);
                }
                LogInput::Purge(keep) => purge = Some(keep),
            }
        }
        let begin = Instant::now();
        let flushed = self.wal.flush(must_sync)?;
        self.meters
            .log_flushed(begin.elapsed(), flushed.bytes, must_sync);
        self.meters.timeline().written(last, begin);
        self.tidy_up(release, purge);
        if let Some(mark) = received {
            self.apply.push(ApplyInput::Install(mark));
        }
        Ok(ticket)
    }

    /// The mark of a received snapshot. It counts only together with a state that commits it, and
    /// so decides from here on which store a start takes.
    fn append_received(
        &mut self,
        mark: &SnapshotMark,
        state: Option<HardState>,
    ) -> Result<(), wal::WalError> {
        self.wal.append_snapshot(mark)?;
        let state = state.unwrap_or(self.wal.state());
        let commit = state.commit.max(mark.index);
        self.wal.append(&[], Some(&HardState { commit, ..state }))
    }

    /// Lets go of segments that a mark has made unnecessary, and removes them when it is time.
    fn tidy_up(&mut self, release: Option<Index>, purge: Option<usize>) {
        if let Some(index) = release {
            self.wal.release(index);
            tracing::info!("snapshot-index" = index.0, "saved snapshot to disk");
        }
        let Some(keep) = purge else { return };
        match wal::purge(&*self.dir, keep) {
            Ok(removed) => {
                for file in removed {
                    tracing::info!(path = self.dir.describe(&file), "purged");
                }
            }
            // The log itself is whole: old segments only take room.
            Err(fault) => tracing::warn!(error = super::describe(&fault), "failed to purge files"),
        }
    }
}

/// Fills the next segment ahead of time, in small steps, until `stop` says so.
pub(crate) fn prepare(mut preparer: Preparer, stop: &AtomicBool) {
    give_way(Way::Some);
    while !stop.load(Ordering::Relaxed) {
        match preparer.step() {
            Ok(Progress::Working) => std::thread::sleep(PREPARE_PAUSE),
            Ok(Progress::Ready) => std::thread::park_timeout(PREPARE_REST),
            // The log makes a segment itself when none is ready, and sees the disk's fault there.
            Err(fault) => {
                tracing::warn!(
                    error = super::describe(&fault),
                    "cannot prepare the next segment"
                );
                std::thread::park_timeout(PREPARE_RETRY);
            }
        }
    }
}
