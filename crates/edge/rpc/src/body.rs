//! The bodies of gRPC responses: one message, or a handler that streams.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use proto::error::{Code, Error};

use crate::{
    deadline::Deadline,
    drain::{Drain, OpenCall},
    frame::Framed,
    metrics::Counted,
    outbound::Source,
    status::{Status, ok_trailers},
};

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// The body of a gRPC response, which keeps its call open until it is sent.
pub(crate) struct ResponseBody {
    content: Content,
    _open: OpenCall,
}

impl ResponseBody {
    pub(crate) fn new(content: Content, open: OpenCall) -> Self {
        Self {
            content,
            _open: open,
        }
    }
}

impl Body for ResponseBody {
    type Data = Framed;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Framed>, Infallible>>> {
        self.content.poll_frame(cx).map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Empty)
    }
}

/// What a gRPC response carries after its head.
pub(crate) enum Content {
    /// Nothing: the status is in the head.
    Empty,
    /// The reply of a unary call, then its trailers.
    Reply(Framed),
    /// The reply was sent, the trailers were not.
    Trailers,
    /// A streaming call.
    Stream(Box<StreamBody>),
}

impl Content {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Framed>>> {
        if let Self::Stream(stream) = self {
            return stream.poll_frame(cx);
        }
        let frame = match std::mem::replace(self, Self::Empty) {
            Self::Reply(message) => {
                *self = Self::Trailers;
                Some(Frame::data(message))
            }
            Self::Trailers => Some(Frame::trailers(ok_trailers())),
            Self::Empty | Self::Stream(_) => None,
        };
        Poll::Ready(frame)
    }
}

/// The handler of a streaming call and the messages that it has queued.
pub(crate) struct StreamBody {
    state: State,
    source: Source,
    gzip: bool,
    counted: Counted,
}

enum State {
    Running(Running),
    /// The handler has ended; its trailers leave after what is queued.
    Ended(Result<(), Status>),
    /// The trailers were sent.
    Closed,
}

struct Running {
    handler: Boxed<Result<(), Status>>,
    deadline: Deadline,
    stopped: Boxed<()>,
}

impl StreamBody {
    pub(crate) fn new(
        handler: impl Future<Output = Result<(), Status>> + 'static,
        source: Source,
        deadline: Deadline,
        drain: Drain,
        gzip: bool,
        counted: Counted,
    ) -> Self {
        Self {
            state: State::Running(Running {
                handler: Box::pin(handler),
                deadline,
                stopped: Box::pin(drain.started()),
            }),
            source,
            gzip,
            counted,
        }
    }

    /// Polls the handler for the first time: a refusal can then be told in the response's head.
    pub(crate) fn open(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        self.poll_handler(cx);
        match &self.state {
            State::Ended(Err(status)) if self.source.is_empty() => {
                self.counted.end(status.code);
                Err(status.clone())
            }
            _ => Ok(()),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Framed>>> {
        loop {
            if let Some(message) = self.source.pop() {
                match self.frame(message) {
                    Ok(frame) => return Poll::Ready(Some(frame)),
                    Err(status) => {
                        self.source.clear();
                        self.state = State::Ended(Err(status));
                    }
                }
            }
            match std::mem::replace(&mut self.state, State::Closed) {
                State::Running(running) => {
                    self.state = State::Running(running);
                    ready!(self.poll_once(cx));
                }
                State::Ended(result) => return Poll::Ready(Some(self.trailers(result))),
                State::Closed => return Poll::Ready(None),
            }
        }
    }

    /// Ready when there is something to look at: a message, or the handler's end.
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_handler(cx);
        match &self.state {
            State::Running(_) if self.source.is_empty() => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    fn poll_handler(&mut self, cx: &mut Context<'_>) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        if let Poll::Ready(result) = self.source.poll(cx, |cx| running.poll(cx)) {
            self.state = State::Ended(result);
        }
    }

    fn frame(&self, message: Bytes) -> Result<Frame<Framed>, Status> {
        let bytes = message.len();
        let framed = Framed::new(message, self.gzip)?;
        self.counted.sent(bytes);
        Ok(Frame::data(framed))
    }

    fn trailers(&mut self, result: Result<(), Status>) -> Frame<Framed> {
        let (code, trailers) = match result {
            Ok(()) => (Code::Ok, ok_trailers()),
            Err(status) => (status.code, status.trailers()),
        };
        self.counted.end(code);
        Frame::trailers(trailers)
    }
}

impl Running {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        if let Poll::Ready(result) = self.handler.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if self.deadline.poll(cx).is_ready() {
            return Poll::Ready(Err(Status::deadline_exceeded()));
        }
        self.stopped
            .as_mut()
            .poll(cx)
            .map(|()| Err(Status::from(Error::Stopped)))
    }
}
