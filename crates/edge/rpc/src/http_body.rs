//! Bodies of plain HTTP: known beforehand, or streamed in either direction.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::mpsc;

use crate::{
    drain::Drain,
    outbound::{self, Outbound, Source},
};

type Running = Pin<Box<dyn Future<Output = Result<(), Aborted>>>>;
type Stopped = Pin<Box<dyn Future<Output = ()>>>;

/// A streamed body ends before its end: the connection is cut, so that the client can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is cut short")]
pub struct Aborted;

/// The body of a response.
#[derive(Default)]
pub struct HttpBody(Content);

enum Content {
    /// What is left of a body that was known beforehand.
    Full(Bytes),
    Stream(Box<Streamed>),
    Ended,
}

impl Default for Content {
    fn default() -> Self {
        Self::Full(Bytes::new())
    }
}

/// A writer and what it has queued.
struct Streamed {
    /// Until it has ended.
    writer: Option<Running>,
    outcome: Result<(), Aborted>,
    source: Source,
    /// Ready when the server stops.
    stopped: Option<Stopped>,
}

impl From<Bytes> for HttpBody {
    fn from(bytes: Bytes) -> Self {
        Self(Content::Full(bytes))
    }
}

impl HttpBody {
    /// A body in chunks, as long as `writer` runs and pushes.
    ///
    /// The writer runs inside the body: it is dropped when the client is gone, and it waits for
    /// room while the client does not read.
    pub fn streamed<F>(writer: impl FnOnce(Outbound) -> F) -> Self
    where
        F: Future<Output = Result<(), Aborted>> + 'static,
    {
        let (outbound, source) = outbound::channel();
        Self(Content::Stream(Box::new(Streamed {
            writer: Some(Box::pin(writer(outbound))),
            outcome: Ok(()),
            source,
            stopped: None,
        })))
    }

    /// Cuts a streamed body short when the server stops.
    pub(crate) fn until_stopped(&mut self, drain: &Drain) {
        if let Content::Stream(streamed) = &mut self.0 {
            streamed.stopped = Some(Box::pin(drain.clone().started()));
        }
    }
}

impl Streamed {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        loop {
            if let Some(chunk) = self.source.pop() {
                if chunk.is_empty() {
                    continue;
                }
                return Poll::Ready(Some(Ok(chunk)));
            }
            let Some(writer) = &mut self.writer else {
                return Poll::Ready(self.outcome.err().map(Err));
            };
            let written = self.source.poll(cx, |cx| writer.as_mut().poll(cx));
            if let Poll::Ready(outcome) = written {
                (self.writer, self.outcome) = (None, outcome);
            } else if self.source.is_empty() {
                let Some(stopped) = &mut self.stopped else {
                    return Poll::Pending;
                };
                ready!(stopped.as_mut().poll(cx));
                (self.writer, self.outcome) = (None, Err(Aborted));
            }
        }
    }
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Content::Stream(streamed) = &mut self.0 {
            let next = ready!(streamed.poll_chunk(cx));
            if !matches!(next, Some(Ok(_))) {
                self.0 = Content::Ended;
            }
            return Poll::Ready(next.map(|chunk| chunk.map(Frame::data)));
        }
        match std::mem::replace(&mut self.0, Content::Ended) {
            Content::Full(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Full(bytes) => bytes.is_empty(),
            Content::Stream(_) => false,
            Content::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(_) => SizeHint::default(),
            Content::Ended => SizeHint::with_exact(0),
        }
    }
}

/// A request's body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is longer than the reader allows.
    #[error("the body is longer than {bytes_max} bytes")]
    TooLarge {
        /// What is allowed.
        bytes_max: u64,
    },
    /// The client is gone, or what it sends is not HTTP.
    #[error("the body is cut short")]
    Broken(#[source] hyper::Error),
}

/// The body of a request as it arrives. What is not read is not taken from the client either.
#[derive(Debug)]
pub struct Upload(Arriving);

#[derive(Debug)]
enum Arriving {
    Body(Incoming),
    /// The messages of a WebSocket, each of them a body by itself.
    Messages(mpsc::Receiver<Bytes>),
}

impl Upload {
    pub(crate) fn new(body: Incoming) -> Self {
        Self(Arriving::Body(body))
    }

    pub(crate) fn messages(messages: mpsc::Receiver<Bytes>) -> Self {
        Self(Arriving::Messages(messages))
    }

    /// The next piece; none at the end. A piece is no larger than the connection's read buffer, or
    /// than a message of a WebSocket may be.
    ///
    /// # Errors
    /// [`UploadError::Broken`] when the body does not reach its end.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, UploadError>> {
        let body = match &mut self.0 {
            Arriving::Body(body) => body,
            Arriving::Messages(messages) => return messages.recv().await.map(Ok),
        };
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                // Trailers say nothing here.
                Ok(Err(_)) => {}
                Err(error) => return Some(Err(UploadError::Broken(error))),
            }
        }
    }

    /// The rest of the body, if it is no longer than `bytes_max`; of a WebSocket the next message.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn read_all(&mut self, bytes_max: u64) -> Result<Bytes, UploadError> {
        let Some(first) = self.chunk().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let check = |len: usize| match len as u64 > bytes_max {
            true => Err(UploadError::TooLarge { bytes_max }),
            false => Ok(()),
        };
        check(first.len())?;
        if matches!(self.0, Arriving::Messages(_)) {
            return Ok(first);
        }
        let Some(second) = self.chunk().await.transpose()? else {
            return Ok(first);
        };
        let mut all = Vec::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            check(all.len() + chunk.len())?;
            all.extend_from_slice(&chunk);
            next = self.chunk().await.transpose()?;
        }
        Ok(all.into())
    }
}
