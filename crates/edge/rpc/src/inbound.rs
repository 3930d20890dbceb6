//! The messages that a client streams.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::{call::MethodId, frame::Reader, metrics::CallMetrics, status::Status};

/// What the next message is, or that there is none any more.
pub type NextMessage = Option<Result<Bytes, Status>>;

/// The client's side of a streaming call.
pub struct Inbound {
    source: Source,
    counter: Option<(Arc<CallMetrics>, MethodId)>,
}

type LocalMessages = dyn FnMut(&mut Context<'_>) -> Poll<NextMessage>;

enum Source {
    Wire(Reader),
    Local(Box<LocalMessages>),
}

impl Inbound {
    pub(crate) fn wire(reader: Reader, metrics: Arc<CallMetrics>, method: MethodId) -> Self {
        Self {
            source: Source::Wire(reader),
            counter: Some((metrics, method)),
        }
    }

    /// Messages from within the process: whatever `poll` gives, until it gives none.
    pub fn local(poll: impl FnMut(&mut Context<'_>) -> Poll<NextMessage> + 'static) -> Self {
        Self {
            source: Source::Local(Box::new(poll)),
            counter: None,
        }
    }

    /// One message from within the process.
    #[must_use]
    pub fn once(message: Bytes) -> Self {
        let mut message = Some(message);
        Self::local(move |_| Poll::Ready(message.take().map(Ok)))
    }

    pub(crate) fn counted(mut self, metrics: Arc<CallMetrics>, method: MethodId) -> Self {
        self.counter = Some((metrics, method));
        self
    }

    /// The next message; none when the client has closed its side. Safe to drop while waiting.
    ///
    /// # Errors
    /// The status to end the call with: an oversized or malformed frame, or a client that is gone.
    pub async fn next(&mut self) -> NextMessage {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Inbound::next`] as a poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<NextMessage> {
        let next = match &mut self.source {
            Source::Wire(reader) => reader.poll_next(cx),
            Source::Local(poll) => poll(cx),
        };
        if let Poll::Ready(Some(Ok(message))) = &next
            && let Some((metrics, method)) = &self.counter
        {
            metrics.received(*method, message.len());
        }
        next
    }
}
