//! A snapshot on its way to a peer that is too far behind: its message, then the database.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use peer::snapshot_head;
use raft::Message;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use crate::body::RequestBody;
use crate::convert::to_wire;
use crate::failure::{Failure, chain, posted};
use crate::peers::Peer;
use crate::session::{Session, read_body};
use crate::shared::Shared;

/// Pieces that wait for the network.
const PIECES_AHEAD: usize = 2;
/// A peer that takes nothing for so long will not have the rest either.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the peer may take to make the snapshot durable.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
const ANSWER_BYTES_MAX: usize = 4096;

/// A database that is sent as it is made.
#[derive(Debug)]
pub struct Database {
    /// Its length.
    pub len: u64,
    /// Its bytes in order. When they end before `len` is reached, sending it has failed.
    pub pieces: mpsc::Receiver<Bytes>,
}

/// A snapshot that has to be sent.
pub(crate) struct Snapshot {
    pub(crate) peer: Arc<Peer>,
    pub(crate) message: Message,
    pub(crate) database: Database,
}

/// Sends a snapshot when its turn has come, and reports how that went.
pub(crate) async fn send(shared: Arc<Shared>, turns: Arc<Semaphore>, snapshot: Snapshot) {
    let mut report = Report {
        shared: Arc::clone(&shared),
        peer: Arc::clone(&snapshot.peer),
        was_delivered: false,
    };
    // The semaphore is never closed.
    let Ok(_turn) = turns.acquire().await else {
        return;
    };
    let (peer, len) = (Arc::clone(&snapshot.peer), snapshot.database.len);
    let transfer = shared.metrics.snapshot_to(peer.id);
    tracing::info!(peer = %peer.id, bytes = len, "sends a snapshot");
    match try_send(&shared, snapshot).await {
        Ok(()) => {
            transfer.succeed();
            peer.meters.sent_bytes.inc_by(len);
            report.was_delivered = true;
            tracing::info!(peer = %peer.id, bytes = len, "has sent a snapshot");
        }
        Err(error) => {
            if matches!(error, Failure::Removed) {
                shared.removed(peer.id);
            }
            let error = chain(&error);
            tracing::warn!(peer = %peer.id, error, "cannot send a snapshot");
        }
    }
}

/// Consensus waits for this report, even when the sending is given up.
struct Report {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    was_delivered: bool,
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.was_delivered {
            self.shared.unreachable(&self.peer);
        }
        let inbox = &self.shared.inbox;
        inbox.snapshot_sent(self.peer.id, self.was_delivered);
    }
}

async fn try_send(shared: &Shared, snapshot: Snapshot) -> Result<(), Failure> {
    let url = snapshot.peer.urls.pick().ok_or(Failure::NoUrl)?;
    let config = &shared.config;
    let opened = Session::open(&config.connector, &url, config.dial_timeout).await;
    let mut session = opened.inspect_err(|_| snapshot.peer.urls.failed(&url))?;

    let (pieces, body) = mpsc::channel(PIECES_AHEAD);
    let mut request = Request::new(RequestBody::Fed(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/raft/snapshot");
    *request.headers_mut() = shared.credentials.headers();
    request.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    let mut feeding = Box::pin(feed(pieces, snapshot, config.snapshot_bytes_per_second));
    let mut answering = Box::pin(session.send(request));
    let response = tokio::select! {
        biased;
        answer = &mut answering => answer?,
        fed = &mut feeding => {
            fed?;
            let answer = timeout(ANSWER_TIMEOUT, &mut answering).await;
            answer.map_err(|_| Failure::TimedOut(ANSWER_TIMEOUT))??
        }
    };
    let status = response.status();
    let text = timeout(
        STALL_TIMEOUT,
        read_body(response.into_body(), ANSWER_BYTES_MAX),
    )
    .await;
    let text = text.map_err(|_| Failure::TimedOut(STALL_TIMEOUT))??;
    posted(status, &text)
}

/// Takes the database as fast as the network does, but no faster than is allowed.
async fn feed(
    pieces: mpsc::Sender<io::Result<Bytes>>,
    snapshot: Snapshot,
    bytes_per_second: Option<u64>,
) -> Result<(), Failure> {
    let started = Instant::now();
    let head = snapshot_head(&to_wire(snapshot.message));
    push(&pieces, Ok(head)).await?;
    let (len, mut database) = (snapshot.database.len, snapshot.database.pieces);
    let mut made = 0;
    while let Some(piece) = database.recv().await {
        made += piece.len() as u64;
        push(&pieces, Ok(piece)).await?;
        if let Some(rate) = bytes_per_second {
            let due = Duration::from_secs_f64(made as f64 / rate.max(1) as f64);
            sleep_until(started + due).await;
        }
    }
    if made != len {
        // The connection must be cut: a shorter database would look whole.
        push(&pieces, Err(io::ErrorKind::UnexpectedEof.into())).await?;
        return Err(Failure::Cut { len, made });
    }
    Ok(())
}

/// A peer that has answered takes nothing more: its answer is what counts then.
async fn push(
    pieces: &mpsc::Sender<io::Result<Bytes>>,
    piece: io::Result<Bytes>,
) -> Result<(), Failure> {
    let pushed = timeout(STALL_TIMEOUT, pieces.send(piece)).await;
    match pushed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Failure::Stalled),
    }
}
