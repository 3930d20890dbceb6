//! A stream that a peer has opened to us: the body of our answer, without end.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use peer::{AppendWriter, put_framed, put_link_heartbeat};
use raft::Message;
use rpc::{Aborted, Outbound};
use tokio::time::{MissedTickBehavior, interval};

use crate::convert::to_wire;
use crate::peers::{Peer, StreamKind};
use crate::queue::QueueReceiver;
use crate::shared::Shared;

/// How often a stream says that it is alive: the other side gives up after five seconds.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(1667);
/// Messages that are taken from the queue at a time.
const BATCH_MESSAGES: usize = 64;
/// Bytes that are gathered before they are sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// The frames of the two kinds of stream.
enum Frames {
    Appends(AppendWriter),
    Messages,
}

impl Frames {
    fn put(&mut self, buf: &mut BytesMut, message: &peer::Message) {
        match self {
            Self::Appends(writer) => writer.put(buf, message),
            Self::Messages => put_framed(buf, message),
        }
    }

    fn put_heartbeat(&self, buf: &mut BytesMut) {
        match self {
            Self::Appends(writer) => writer.put_link_heartbeat(buf),
            Self::Messages => put_link_heartbeat(buf),
        }
    }
}

/// Writes what is queued for a peer until another stream takes its place.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    kind: StreamKind,
    queue: QueueReceiver,
    frames: Frames,
    /// Nothing was left behind.
    is_finished: bool,
}

impl Writer {
    pub(crate) fn attach(shared: Arc<Shared>, peer: Arc<Peer>, kind: StreamKind) -> Self {
        let frames = match kind {
            StreamKind::Appends => Frames::Appends(AppendWriter::default()),
            StreamKind::Messages => Frames::Messages,
        };
        let queue = peer.attach(kind);
        peer.connected();
        Self {
            shared,
            peer,
            kind,
            queue,
            frames,
            is_finished: false,
        }
    }

    /// Runs inside the body of the answer.
    pub(crate) async fn run(mut self, out: Outbound) -> Result<(), Aborted> {
        let mut heartbeat = interval(HEARTBEAT_INTERVAL);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut batch, mut buf) = (Vec::new(), BytesMut::new());
        loop {
            tokio::select! {
                biased;
                _ = heartbeat.tick() => self.frames.put_heartbeat(&mut buf),
                () = self.queue.take(&mut batch, BATCH_MESSAGES) => {
                    if batch.is_empty() {
                        self.is_finished = true;
                        return Ok(());
                    }
                    self.write(&mut batch, &mut buf, &out).await?;
                }
            }
            self.send(buf.split().freeze(), &out).await?;
        }
    }

    async fn write(
        &mut self,
        batch: &mut Vec<Message>,
        buf: &mut BytesMut,
        out: &Outbound,
    ) -> Result<(), Aborted> {
        for message in mem::take(batch) {
            self.frames.put(buf, &to_wire(message));
            if buf.len() >= CHUNK_BYTES {
                self.send(buf.split().freeze(), out).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, chunk: Bytes, out: &Outbound) -> Result<(), Aborted> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.peer.meters.sent_bytes.inc_by(chunk.len() as u64);
        out.send(chunk).await.map_err(|_| Aborted)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.is_finished && self.queue.is_empty() {
            return;
        }
        // What was queued, or was on its way, may be lost.
        self.shared.unreachable(&self.peer);
        if !self.shared.is_stopped() {
            self.peer
                .lost(self.kind.name(), &"the peer has closed its stream");
        }
    }
}
