//! The messages that a client streams.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::{call::MethodId, frame::Reader, metrics::CallMetrics, status::Status};

/// The client's side of a streaming call.
pub struct Inbound {
    reader: Reader,
    metrics: Arc<CallMetrics>,
    method: MethodId,
}

impl Inbound {
    pub(crate) fn new(reader: Reader, metrics: Arc<CallMetrics>, method: MethodId) -> Self {
        Self {
            reader,
            metrics,
            method,
        }
    }

    /// The next message; none when the client has closed its side. Safe to drop while waiting.
    ///
    /// # Errors
    /// The status to end the call with: an oversized or malformed frame, or a client that is gone.
    pub async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Inbound::next`] as a poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        let next = self.reader.poll_next(cx);
        if let Poll::Ready(Some(Ok(message))) = &next {
            self.metrics.received(self.method, message.len());
        }
        next
    }
}
