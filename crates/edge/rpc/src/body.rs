//! The bodies of gRPC responses: one message, or a handler that streams.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Frame};

use crate::{
    answers::Answers,
    drain::OpenCall,
    frame::Framed,
    status::{Status, ok_trailers},
};

/// The body of a gRPC response, which keeps its call open until it is sent.
pub(crate) struct ResponseBody {
    content: Content,
    open: OpenCall,
}

impl ResponseBody {
    pub(crate) fn new(content: Content, open: OpenCall) -> Self {
        open.answered();
        Self { content, open }
    }
}

impl Body for ResponseBody {
    type Data = Framed;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Framed>, Infallible>>> {
        let frame = self.content.poll_frame(cx);
        if frame.is_ready() {
            self.open.answered();
        }
        frame.map(|frame| frame.map(Ok))
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

/// A streaming call, framed.
pub(crate) struct StreamBody {
    answers: Answers,
    gzip: bool,
    is_closed: bool,
}

impl StreamBody {
    pub(crate) fn new(answers: Answers, gzip: bool) -> Self {
        Self {
            answers,
            gzip,
            is_closed: false,
        }
    }

    /// Polls the handler for the first time: a refusal can then be told in the response's head.
    pub(crate) fn open(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        self.answers.open(cx)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Framed>>> {
        if self.is_closed {
            return Poll::Ready(None);
        }
        let trailers = match ready!(self.answers.poll_next(cx)) {
            Some(Ok(message)) => match Framed::new(message, self.gzip) {
                Ok(framed) => return Poll::Ready(Some(Frame::data(framed))),
                Err(status) => {
                    self.answers.fail(&status);
                    status.trailers()
                }
            },
            Some(Err(status)) => status.trailers(),
            None => ok_trailers(),
        };
        self.is_closed = true;
        Poll::Ready(Some(Frame::trailers(trailers)))
    }
}
