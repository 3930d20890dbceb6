//! `Snapshot`: the whole store as a bbolt file, streamed with its checksum behind it.
//!
//! The file is made in the data directory, on a thread of the blocking pool, and has no name any
//! more when it is sent: nothing is left behind, however the call ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use disk::{Dir, File, OpenMode};
use proto::etcdserverpb::{SnapshotRequest, SnapshotResponse};
use proto::limits::CLUSTER_VERSION;
use rpc::{Inbound, Outbound, Status};
use sha2::{Digest as _, Sha256};
use store::{Bucket, Snapshot};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use types::{RecordKey, Revision};

use super::{Services, decode, encode, error, off_thread};

/// Bytes of the file in one message.
const BLOB_BYTES: usize = 32 * 1024;
/// Messages that are read ahead of the client.
const READ_AHEAD: usize = 4;
/// Records read from the store at a time.
const SCAN_RECORDS: usize = 4096;
/// Bytes of records read from the store at a time.
const SCAN_BYTES: usize = 4 << 20;
/// Pause between two looks at whether the store's files hold what was applied.
const COMMIT_POLL: Duration = Duration::from_millis(10);
/// Longest wait for an entry that changed no key, and so may not be worth a commit.
const QUIET_WAIT: Duration = Duration::from_millis(300);
/// Where the version of the storage is kept.
const STORAGE_VERSION: &[u8] = b"storageVersion";

/// A snapshot could not be made.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    /// The temporary file.
    #[error("cannot use {path}")]
    File { path: String, source: io::Error },
    /// Reading the store or writing the file.
    #[error("cannot write the snapshot")]
    Write(#[from] boltfile::WriteError<store::StoreFault>),
    /// Finishing the file.
    #[error("cannot finish the snapshot")]
    Finish(#[from] boltfile::WriteError),
    /// The client went away.
    #[error("the client went away")]
    Gone,
}

/// A key and a value of a bucket, if it can be read.
type Pair = Result<(Bytes, Bytes), store::StoreFault>;

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
        let snapshot = self.committed().await?;
        let version = version(&snapshot);
        let scratch = Arc::clone(&self.scratch);
        // Two snapshots at a time must not meet in one file.
        let name = format!("snapshot.{}.tmp", self.handle.next_id());
        let (parts, mut ready) = mpsc::channel(READ_AHEAD);
        let made = off_thread::run(move || produce(&snapshot, &*scratch, &name, &parts));
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

fn version(snapshot: &Snapshot) -> String {
    match snapshot.bucket(Bucket::Meta).get(STORAGE_VERSION) {
        Some(version) => String::from_utf8_lossy(version).into_owned(),
        None => CLUSTER_VERSION.to_owned(),
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
    scratch.create_dir_all("").map_err(named)?;
    let file = scratch.open(name, OpenMode::CreateNew).map_err(named)?;
    scratch.remove(name).map_err(named)?;
    let total = write(snapshot, Arc::clone(&file))?;
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

/// Writes the ten buckets of an etcd database, in the order of their names.
fn write(snapshot: &Snapshot, file: Arc<dyn File>) -> Result<u64, SnapshotError> {
    let mut writer = boltfile::Writer::new(file, boltfile::PAGE_SIZE);
    for bucket in [
        Bucket::Alarm,
        Bucket::Auth,
        Bucket::AuthRoles,
        Bucket::AuthUsers,
        Bucket::Cluster,
    ] {
        write_small(&mut writer, snapshot, bucket)?;
    }
    writer.bucket(b"key", records(snapshot))?;
    for bucket in [Bucket::Lease, Bucket::Members, Bucket::MembersRemoved] {
        write_small(&mut writer, snapshot, bucket)?;
    }
    let mut meta = snapshot.bucket(Bucket::Meta).clone();
    meta.entry(Bytes::from_static(STORAGE_VERSION))
        .or_insert_with(|| Bytes::from_static(CLUSTER_VERSION.as_bytes()));
    writer.bucket(
        Bucket::Meta.name().as_bytes(),
        meta.into_iter().map(Pair::Ok),
    )?;
    Ok(writer.finish()?)
}

fn write_small(
    writer: &mut boltfile::Writer,
    snapshot: &Snapshot,
    bucket: Bucket,
) -> Result<(), SnapshotError> {
    let pairs = snapshot.bucket(bucket).iter();
    let pairs = pairs.map(|(key, value)| Pair::Ok((key.clone(), value.clone())));
    writer.bucket(bucket.name().as_bytes(), pairs)?;
    Ok(())
}

/// All records under their revisions, read in bounded steps.
fn records(snapshot: &Snapshot) -> impl Iterator<Item = Pair> + '_ {
    let mut from = Some(Revision::default());
    std::iter::from_fn(move || {
        let found = snapshot.scan(from?, SCAN_RECORDS, SCAN_BYTES);
        from = match &found {
            Ok(entries) => entries.last().map(|entry| {
                let Revision { main, sub } = entry.revision;
                Revision { main, sub: sub + 1 }
            }),
            Err(_) => None,
        };
        Some(match found {
            Ok(entries) => entries.into_iter().map(|entry| Ok(pair(entry))).collect(),
            Err(fault) => vec![Err(fault)],
        })
    })
    .flatten()
}

fn pair(entry: store::Entry) -> (Bytes, Bytes) {
    let key = RecordKey {
        revision: entry.revision,
        tombstone: entry.tombstone,
    };
    (key.with_bytes(Bytes::copy_from_slice), entry.record)
}
