//! The bodies of posts: a message, or a snapshot with a database that may be larger than memory.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use disk::{Dir, File};
use peer::{FrameError, Message, SnapshotReader};
use rpc::{Upload, UploadError};
use tokio::time::timeout;

/// Bytes that are gathered before they are written: few, since the processor does nothing else
/// meanwhile.
const WRITE_BYTES: usize = 128 << 10;
/// A sender that is silent for so long is given up: others wait for its place.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a message or a snapshot has not arrived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("cannot read the body")]
    Upload(#[from] UploadError),
    #[error("nothing came for {READ_TIMEOUT:?}")]
    Silent,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the body ends within its message")]
    NoMessage,
    #[error("cannot keep the database")]
    Disk(#[source] io::Error),
}

/// The next piece of a body, if it comes soon.
async fn next(upload: &mut Upload) -> Result<Option<Bytes>, ReceiveError> {
    match timeout(READ_TIMEOUT, upload.chunk()).await {
        Ok(piece) => Ok(piece.transpose()?),
        Err(_) => Err(ReceiveError::Silent),
    }
}

/// Reads a whole body of at most `bytes_max` bytes.
pub(crate) async fn read_all(upload: &mut Upload, bytes_max: u64) -> Result<Bytes, ReceiveError> {
    let mut all = BytesMut::new();
    while let Some(piece) = next(upload).await? {
        if (all.len() + piece.len()) as u64 > bytes_max {
            return Err(UploadError::TooLarge { bytes_max }.into());
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Reads the message before the database; returns it and the database's first bytes.
pub(crate) async fn read_head(upload: &mut Upload) -> Result<(Message, Bytes), ReceiveError> {
    let mut reader = SnapshotReader::default();
    while let Some(piece) = next(upload).await? {
        if let Some(found) = reader.push(&piece)? {
            return Ok(found);
        }
    }
    Err(ReceiveError::NoMessage)
}

/// Keeps the rest of the body in a file without a name.
pub(crate) async fn keep(
    scratch: &Arc<dyn Dir>,
    first: Bytes,
    upload: &mut Upload,
) -> Result<(Arc<dyn File>, u64), ReceiveError> {
    let file = blocking({
        let scratch = Arc::clone(scratch);
        move || create(&*scratch)
    });
    let mut writer = Writer {
        file: file.await?,
        offset: 0,
        gathered: BytesMut::from(&first[..]),
    };
    while let Some(piece) = next(upload).await? {
        writer.gathered.extend_from_slice(&piece);
        if writer.gathered.len() >= WRITE_BYTES {
            writer.write().await?;
        }
    }
    writer.write().await?;
    Ok((writer.file, writer.offset))
}

struct Writer {
    file: Arc<dyn File>,
    offset: u64,
    gathered: BytesMut,
}

impl Writer {
    async fn write(&mut self) -> Result<(), ReceiveError> {
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let bytes = self.gathered.split();
        self.offset += bytes.len() as u64;
        blocking(move || file.write_all_at(&bytes, offset)).await
    }
}

/// Does what may wait for the disk on a thread where that holds up no connection.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ReceiveError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)
        .and_then(|result| result)
        .map_err(ReceiveError::Disk)
}

/// A new file whose name is gone at once: a crash leaves nothing behind.
fn create(scratch: &dyn Dir) -> io::Result<Arc<dyn File>> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    disk::scratch(scratch, &format!("received-{number}.snap.db"))
}
