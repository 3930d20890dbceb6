//! Snapshots for followers that lag: the store's files, as a database of etcd.
//!
//! The apply thread commits what is applied and the store thread takes a view of its files behind
//! that commit, which costs neither of them more than a moment. The database is made of the view on
//! a thread of its own, as fast as the follower takes it, while applying goes on. No file is written,
//! which would compete with the log for the disk.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use cluster::Membership;
use convert::Outline;
use notation::size;
use raft::Message;
use store::{Bucket, Snapshot};
use tokio::sync::mpsc;
use types::SnapshotMark;

use super::peers::Database;
use super::shared::Engine;
use crate::gentle::{Way, give_way, rests};
use crate::pieces::Pieces;

/// Most databases that are made at a time; a follower that comes later is tried again.
const EXPORTS_MAX: usize = 2;
/// Bytes that are handed over at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for the transport.
const PIECES_AHEAD: usize = 2;

/// Counts the databases that are being made.
#[derive(Debug, Default)]
pub(super) struct Exports(AtomicUsize);

impl Exports {
    fn begin(&self) -> bool {
        let took = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |busy| {
                (busy < EXPORTS_MAX).then_some(busy + 1)
            });
        took.is_ok()
    }

    fn end(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A snapshot cannot be made.
#[derive(Debug, thiserror::Error)]
enum OutgoingError {
    /// The database; or the transport has given it up, and says why.
    #[error("cannot make the database")]
    Export(#[from] convert::ExportError),
    /// The transport has given it up.
    #[error("cannot hand over the database")]
    HandOver(#[from] io::Error),
    /// The members.
    #[error(transparent)]
    Members(#[from] cluster::LoadError),
}

/// Begins to make and send the snapshot that `message` asks for, from a view of the store.
pub(super) fn begin(engine: &Engine, message: Message, view: Snapshot) {
    let to = message.to;
    if !engine.shared().exports.begin() {
        return engine.snapshot_sent(to, false);
    }
    let sender = engine.clone();
    let send = move || {
        give_way(Way::Some);
        if let Err(error) = send(&sender, message, &view) {
            let error = super::describe(&error);
            tracing::warn!(%to, error, "failed to make a snapshot");
        }
        sender.shared().exports.end();
    };
    let thread = std::thread::Builder::new().name("etcd-snapshot".to_owned());
    if let Err(error) = thread.spawn(send) {
        tracing::warn!(%error, "cannot start a thread for a snapshot");
        engine.shared().exports.end();
        engine.snapshot_sent(to, false);
    }
}

/// Makes the database while the transport takes it, which reports how that went.
fn send(engine: &Engine, message: Message, view: &Snapshot) -> Result<(), OutgoingError> {
    let (begin, from, to) = (Instant::now(), message.from, message.to);
    let unsent = || engine.snapshot_sent(to, false);
    let (message, outline) = head(engine, message, view).inspect_err(|_| unsent())?;
    let Some(peers) = engine.peers() else {
        unsent();
        return Ok(());
    };
    let (taken, pieces) = mpsc::channel(PIECES_AHEAD);
    let (len, index) = (outline.bytes(), view.consistent_index().0.0);
    tracing::info!(
        %from,
        %to,
        "snapshot-index" = index,
        bytes = len,
        size = size::human(len),
        "sending merged snapshot"
    );
    peers.send_snapshot(message, Database { len, pieces });
    let mut pieces = Pieces::new(PIECE_BYTES, |piece| {
        let given = taken.blocking_send(piece);
        given.map_err(|_| io::ErrorKind::BrokenPipe.into())
    });
    convert::stream(view, outline, &mut pieces, &mut rests())?;
    pieces.finish()?;
    tracing::info!(
        %from,
        %to,
        "snapshot-index" = index,
        bytes = len,
        size = size::human(len),
        took = ?begin.elapsed(),
        "sent merged snapshot"
    );
    Ok(())
}

/// What comes before the database.
fn head(
    engine: &Engine,
    mut message: Message,
    view: &Snapshot,
) -> Result<(Message, Outline), OutgoingError> {
    message.snapshot = Some(Box::new(snapshot(engine, view)?));
    Ok((message, convert::measure(view, &mut rests())?))
}

/// What the message says of the view: where in the log it is, and who belonged to the cluster then.
fn snapshot(engine: &Engine, view: &Snapshot) -> Result<raft::Snapshot, OutgoingError> {
    let members = Membership::load(
        engine.cluster_id(),
        cluster::Options::default(),
        view.bucket(Bucket::Members),
        view.bucket(Bucket::MembersRemoved),
        view.bucket(Bucket::Cluster),
    )?;
    let (index, term) = view.consistent_index();
    Ok(raft::Snapshot {
        mark: SnapshotMark {
            index,
            term,
            conf: Some(members.conf_state()),
        },
        // Members before 3.7 read who belongs to the cluster from it.
        data: Bytes::from(members.encode_version2(index)),
    })
}
