//! `Snapshot`: the whole store as a bbolt file, streamed with its checksum behind it.
//!
//! The file is made in the data directory, on a thread that gives way to others, and has no name:
//! nothing is left behind, however the call ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use disk::Dir;
use proto::etcdserverpb::{SnapshotRequest, SnapshotResponse};
use rpc::{Inbound, Outbound, Status};
use sha2::{Digest as _, Sha256};
use store::Snapshot;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::{Services, decode, encode, error, off_thread};
use crate::gentle;

/// Bytes of the file in one message.
const BLOB_BYTES: usize = 32 * 1024;
/// Messages that are read ahead of the client.
const READ_AHEAD: usize = 4;
/// Pause between two looks at whether the store's files hold what was applied.
const COMMIT_POLL: Duration = Duration::from_millis(10);
/// Longest wait for an entry that changed no key, and so may not be worth a commit.
const QUIET_WAIT: Duration = Duration::from_millis(300);

/// A snapshot could not be made.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    /// The temporary file.
    #[error("cannot use {path}")]
    File { path: String, source: io::Error },
    /// Reading the store or writing the file.
    #[error("cannot write the snapshot")]
    Write(#[from] convert::ExportError),
    /// The thread that makes it.
    #[error("cannot make the snapshot")]
    Thread(#[source] io::Error),
    /// The client went away.
    #[error("the client went away")]
    Gone,
}

/// One message's worth of the file.
struct Part {
    remaining: u64,
    blob: Bytes,
}

impl Services {
    pub(super) async fn snapshot(
        &self,
        mut inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let Some(request) = inbound.next().await else {
            return Err(Status::undecodable());
        };
        let SnapshotRequest {} = decode(request?)?;
        let began = Instant::now();
        let snapshot = self.committed().await?;
        let version = convert::storage_version(&snapshot);
        let scratch = Arc::clone(&self.scratch);
        // Two snapshots at a time must not meet in one file.
        let name = format!("snapshot.{}.tmp", self.handle.next_id());
        let (parts, mut ready) = mpsc::channel(READ_AHEAD);
        let produce = move || produce(&snapshot, &*scratch, &name, &parts);
        let made = off_thread::run(move || {
            let done = gentle::run("etcd-snapshot", produce);
            done.map_err(SnapshotError::Thread)?
        });
        let sent = async {
            while let Some(Part { remaining, blob }) = ready.recv().await {
                let version = version.clone();
                let part = SnapshotResponse {
                    header: None,
                    remaining_bytes: remaining,
                    blob,
                    version,
                };
                if outbound.send(encode(&part)).await.is_err() {
                    break;
                }
            }
        };
        let (made, ()) = tokio::join!(made, sent);
        self.engine().meters().snapshot_sent(began.elapsed());
        made?.map_err(|fault| error::internal(&fault))
    }

    /// The store's files as soon as they hold everything that is applied by now.
    async fn committed(&self) -> Result<Snapshot, Status> {
        let engine = self.engine();
        let (applied, revision) = (
            engine.status().applied(),
            engine.reader().revisions().current,
        );
        let begin = Instant::now();
        let deadline = begin + engine.limits().request_timeout;
        loop {
            let snapshot = engine.reader().files();
            // A store without a write has no record, but is at revision 1.
            let has_keys = revision <= 1 || snapshot.last_revision().main >= revision;
            let has_all = snapshot.consistent_index().0 >= applied || begin.elapsed() > QUIET_WAIT;
            if has_keys && has_all {
                return Ok(snapshot);
            }
            if Instant::now() >= deadline {
                return Err(proto::error::Error::Timeout.into());
            }
            sleep(COMMIT_POLL).await;
        }
    }
}

/// Makes the file and hands it over piece by piece, its checksum last.
fn produce(
    snapshot: &Snapshot,
    scratch: &dyn Dir,
    name: &str,
    parts: &mpsc::Sender<Part>,
) -> Result<(), SnapshotError> {
    let named = |source| SnapshotError::File {
        path: scratch.describe(name),
        source,
    };
    let file = disk::scratch(scratch, name).map_err(named)?;
    let total = convert::export(snapshot, Arc::clone(&file))?;
    let mut digest = Sha256::new();
    let mut at = 0;
    while at < total {
        let len = BLOB_BYTES.min(usize::try_from(total - at).unwrap_or(BLOB_BYTES));
        let mut blob = BytesMut::zeroed(len);
        file.read_exact_at(&mut blob, at).map_err(named)?;
        digest.update(&blob);
        at += len as u64;
        hand_over(parts, total - at, blob.freeze())?;
    }
    hand_over(parts, 0, Bytes::copy_from_slice(&digest.finalize()))
}

fn hand_over(parts: &mpsc::Sender<Part>, remaining: u64, blob: Bytes) -> Result<(), SnapshotError> {
    parts
        .blocking_send(Part { remaining, blob })
        .map_err(|_| SnapshotError::Gone)
}
