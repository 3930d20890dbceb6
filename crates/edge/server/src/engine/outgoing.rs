//! Snapshots for followers that lag: the store's files, as a database of etcd.
//!
//! The apply thread commits what is applied and the store thread takes a view of its files behind
//! that commit, which costs neither of them more than a moment. The database is made of the view on
//! a thread of its own, while applying goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use cluster::Membership;
use raft::Message;
use store::{Bucket, Snapshot};
use types::SnapshotMark;

use super::peers::Database;
use super::shared::Engine;
use crate::gentle::{Way, give_way};

/// Most databases that are made at a time; a follower that comes later is tried again.
const EXPORTS_MAX: usize = 2;

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
    /// The temporary file.
    #[error("cannot use {path}")]
    File {
        path: String,
        source: std::io::Error,
    },
    /// The database.
    #[error("cannot make the database")]
    Export(#[from] convert::ExportError),
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
        match make(&sender, message, &view) {
            Ok((message, database)) => match sender.peers() {
                Some(peers) => peers.send_snapshot(message, database),
                None => sender.snapshot_sent(to, false),
            },
            Err(error) => {
                let error = super::describe(&error);
                tracing::warn!(%to, error, "failed to make a snapshot");
                sender.snapshot_sent(to, false);
            }
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

fn make(
    engine: &Engine,
    mut message: Message,
    view: &Snapshot,
) -> Result<(Message, Database), OutgoingError> {
    let begin = Instant::now();
    let scratch = &engine.shared().place.member_dir.sub("tmp");
    // Two at a time must not meet in one file.
    let name = format!("peer.{}.{}.tmp", message.to, view.consistent_index().0);
    let named = |source| OutgoingError::File {
        path: scratch.describe(&name),
        source,
    };
    let file = disk::scratch(&**scratch, &name).map_err(named)?;
    let len = convert::export(view, file.clone())?;
    message.snapshot = Some(Box::new(snapshot(engine, view)?));
    tracing::info!(
        to = %message.to,
        "snapshot-index" = view.consistent_index().0.0,
        bytes = len,
        took = ?begin.elapsed(),
        "made a database snapshot for a member that lags"
    );
    Ok((message, Database { file, len }))
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
