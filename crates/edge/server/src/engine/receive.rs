//! A snapshot from the leader becomes a store, before consensus hears of it.
//!
//! Until the store is whole and durable the member is as it was, whatever goes wrong; only then is
//! the message stepped. If consensus takes it, the log gets the mark and the apply thread the store;
//! if not, the store is removed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use disk::File;
use raft::Message;
use types::{Index, SnapshotMark, Term};

use super::boot::SharedDir;
use super::install::{self, InstallError};
use super::raft_thread::RaftInput;
use super::shared::Engine;
use crate::gentle::{Resting, Way, give_way};

/// Where received snapshots become stores, and how.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The directory that holds the store's directory.
    pub(super) member_dir: SharedDir,
    /// How stores are written.
    pub(super) store: store::Options,
}

/// A received snapshot cannot be used; the member is as it was.
#[derive(Debug, thiserror::Error)]
enum ReceiveError {
    /// The message lacks what a snapshot must have.
    #[error("the message is not a snapshot")]
    NoSnapshot,
    /// What it covers is here already.
    #[error("index {index} is behind what is applied")]
    Old { index: Index },
    /// The database is damaged, or cannot be stored.
    #[error("cannot use the database")]
    Import(#[from] convert::ImportError),
    /// The database is another one than the message says.
    #[error("the database is at index {found}, term {term}, the snapshot at {expected}")]
    Mismatch {
        expected: Index,
        found: Index,
        term: Term,
    },
    /// A file cannot be moved.
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// Begins to make a store of a snapshot, unless one is being made.
pub(super) fn begin(engine: &Engine, message: Message, database: Arc<dyn File>) {
    if engine.shared().is_receiving.swap(true, Ordering::AcqRel) {
        tracing::info!(from = %message.from, "dropped a snapshot: another one is being received");
        return;
    }
    let receiver = engine.clone();
    let receive = move || {
        give_way(Way::Some);
        let inbox = receiver.raft_inbox();
        inbox.push(RaftInput::Receiving(true));
        let made = make(&receiver, &message, database);
        match made {
            Ok(()) => inbox.push(RaftInput::Received(Box::new(message))),
            Err(error) => {
                let error = super::describe(&error);
                tracing::warn!(from = %message.from, error, "failed to receive a snapshot");
                inbox.push(RaftInput::Receiving(false));
                receiver.received();
            }
        }
    };
    let thread = std::thread::Builder::new().name("etcd-receive".to_owned());
    if let Err(error) = thread.spawn(receive) {
        tracing::warn!(%error, "cannot start a thread to receive a snapshot");
        engine.received();
    }
}

fn make(engine: &Engine, message: &Message, database: Arc<dyn File>) -> Result<(), ReceiveError> {
    let begin = Instant::now();
    let snapshot = message.snapshot.as_ref();
    let mark = &snapshot.ok_or(ReceiveError::NoSnapshot)?.mark;
    if mark.index <= engine.status().applied() {
        return Err(ReceiveError::Old { index: mark.index });
    }
    let Place { member_dir, store } = &engine.shared().place;
    install::clear_receiving(&**member_dir)?;
    let to = member_dir.sub(install::RECEIVING);
    let imported = convert::import(Resting::of(database), to, store.clone(), &mut |_| {})?;
    check(&imported, mark)?;
    install::make_ready(&**member_dir, mark.index)?;
    tracing::info!(
        "snapshot-index" = mark.index.0,
        records = imported.records,
        bytes = imported.bytes,
        took = ?begin.elapsed(),
        "received and saved database snapshot"
    );
    Ok(())
}

/// The database must be what the mark promises: else the log would go on from somewhere else.
fn check(imported: &convert::Imported, mark: &SnapshotMark) -> Result<(), ReceiveError> {
    let (found, term) = (imported.consistent_index, imported.term);
    let is_same_term = term == mark.term || term == Term(0);
    if found == mark.index && is_same_term {
        return Ok(());
    }
    Err(ReceiveError::Mismatch {
        expected: mark.index,
        found,
        term,
    })
}
