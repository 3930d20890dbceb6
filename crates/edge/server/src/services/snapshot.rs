//! `Snapshot`: the whole store as a bbolt file, streamed with its checksum behind it.
//!
//! It is handed over as it is made, on a thread that gives way to others. No file is written, which
//! would compete with the log for the disk. The view of the store that it is made of is held meanwhile,
//! so a client has to keep a pace, however slow.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use notation::{duration, size};
use proto::etcdserverpb::{SnapshotRequest, SnapshotResponse};
use rpc::{Inbound, Outbound, Status};
use sha2::{Digest as _, Sha256};
use store::Snapshot;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::{Services, decode, encode, error, off_thread};
use crate::gentle;
use crate::pieces::Pieces;

/// Bytes of the file in one message.
const BLOB_BYTES: usize = 32 * 1024;
/// Messages that are read ahead of the client.
const READ_AHEAD: usize = 4;
/// What a client has to take within [`PACE_TIME`] of waiting for it.
const PACE_BYTES: usize = 1 << 20;
/// A slower client is given up.
const PACE_TIME: Duration = Duration::from_secs(60);
/// Pause between two looks at whether the store's files hold what was applied.
const COMMIT_POLL: Duration = Duration::from_millis(10);
/// Longest wait for an entry that changed no key, and so may not be worth a commit.
const QUIET_WAIT: Duration = Duration::from_millis(300);

/// A snapshot could not be made.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    /// Reading the store; or the client went away.
    #[error("cannot make the snapshot")]
    Export(#[from] convert::ExportError),
    /// The thread that makes it; or the client went away.
    #[error("cannot hand over the snapshot")]
    HandOver(#[from] io::Error),
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
        let (parts, ready) = mpsc::channel(READ_AHEAD);
        let produce = move || produce(&snapshot, &parts);
        let made = off_thread::run(move || gentle::run("etcd-snapshot", produce)?);
        let (made, sent) = tokio::join!(made, send(ready, &outbound, version));
        self.engine().meters().snapshot_sent(began.elapsed());
        sent?;
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

/// Sends what is made as fast as the client takes it. Whoever makes it hears at once that this is over,
/// since nobody is there for its parts any more.
async fn send(
    mut parts: mpsc::Receiver<Part>,
    outbound: &Outbound,
    version: String,
) -> Result<(), Status> {
    let mut pace = Pace::default();
    while let Some(Part { remaining, blob }) = parts.recv().await {
        let bytes = blob.len();
        let part = SnapshotResponse {
            header: None,
            remaining_bytes: remaining,
            blob,
            version: version.clone(),
        };
        match pace.keep(bytes, outbound.send(encode(&part))).await {
            Some(Ok(())) => {}
            Some(Err(_)) => break,
            None => {
                tracing::warn!("gives up a snapshot that its client does not take");
                return Err(proto::error::Error::Timeout.into());
            }
        }
    }
    Ok(())
}

/// How long the client lets us wait.
#[derive(Debug, Default)]
struct Pace {
    bytes: usize,
    waited: Duration,
}

impl Pace {
    /// Waits until the client has taken so many bytes; nothing when it is too slow.
    async fn keep<T>(&mut self, bytes: usize, taken: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let left = PACE_TIME.saturating_sub(self.waited);
        let taken = timeout(left, taken).await.ok()?;
        self.waited += began.elapsed();
        self.bytes += bytes;
        if self.bytes >= PACE_BYTES {
            *self = Self::default();
        }
        Some(taken)
    }
}

/// Makes the database and hands it over piece by piece, its checksum last.
fn produce(snapshot: &Snapshot, parts: &mpsc::Sender<Part>) -> Result<(), SnapshotError> {
    let begin = Instant::now();
    let outline = convert::measure(snapshot, &mut gentle::rests())?;
    let (total, version) = (outline.bytes(), convert::storage_version(snapshot));
    let size = size::human(total);
    tracing::info!(
        "total-bytes" = total,
        size,
        "storage-version" = version,
        "sending database snapshot to client"
    );
    let (mut remaining, mut digest) = (total, Sha256::new());
    let mut pieces = Pieces::new(BLOB_BYTES, |blob: Bytes| {
        remaining = remaining.saturating_sub(blob.len() as u64);
        digest.update(&blob);
        hand_over(parts, remaining, blob)
    });
    convert::stream(snapshot, outline, &mut pieces, &mut gentle::rests())?;
    pieces.finish()?;
    hand_over(parts, 0, Bytes::copy_from_slice(&digest.finalize()))?;
    tracing::info!(
        "total-bytes" = total,
        size,
        took = duration::format(begin.elapsed()),
        "storage-version" = version,
        "successfully sent database snapshot to client"
    );
    Ok(())
}

fn hand_over(parts: &mpsc::Sender<Part>, remaining: u64, blob: Bytes) -> io::Result<()> {
    let sent = parts.blocking_send(Part { remaining, blob });
    sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// A client that takes nothing, or next to nothing, would hold the store's old files for ever.
    #[tokio::test(start_paused = true)]
    async fn a_client_keeps_a_pace() {
        let slowly = |seconds| sleep(Duration::from_secs(seconds));
        let mut pace = Pace::default();
        assert_eq!(pace.keep(1, pending::<()>()).await, None);
        // As slow as is allowed, for an hour.
        let mut pace = Pace::default();
        for _ in 0..60 {
            assert_eq!(pace.keep(PACE_BYTES / 2, slowly(40)).await, Some(()));
            assert_eq!(pace.keep(PACE_BYTES / 2, slowly(19)).await, Some(()));
        }
        // What it took before does not help.
        for _ in 0..1000 {
            assert_eq!(pace.keep(PACE_BYTES, ready(())).await, Some(()));
        }
        assert_eq!(pace.keep(1, slowly(40)).await, Some(()));
        assert_eq!(pace.keep(1, slowly(40)).await, None);
    }
}
