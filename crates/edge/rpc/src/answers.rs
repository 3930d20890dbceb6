//! What a streaming call answers: the handler at work, and the messages that it has queued.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use proto::error::{Code, Error};

use crate::{
    call::Call,
    deadline::Deadline,
    handler::Handler,
    inbound::{Inbound, NextMessage},
    metrics::Counted,
    outbound::{self, Source},
    status::Status,
};

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// The answers of a streaming call. The handler runs while somebody asks for the next of them, and is
/// dropped with this.
pub struct Answers {
    state: State,
    source: Source,
    counted: Option<Counted>,
}

enum State {
    Running(Running),
    /// The handler has ended; that is told after what is queued.
    Ended(Result<(), Status>),
    /// The end was told.
    Closed,
}

struct Running {
    handler: Boxed<Result<(), Status>>,
    deadline: Deadline,
    stopped: Boxed<()>,
}

impl Answers {
    /// Makes a call from within the process, uncounted.
    pub fn of<G: Handler>(handler: &Rc<G>, call: Call, inbound: Inbound) -> Self {
        Self::start(handler, call, inbound, None)
    }

    pub(crate) fn start<G: Handler>(
        handler: &Rc<G>,
        call: Call,
        inbound: Inbound,
        counted: Option<Counted>,
    ) -> Self {
        let (outbound, source) = outbound::channel();
        let deadline = Deadline::new(call.deadline);
        let stopped = Box::pin(call.drain.clone().started());
        let handler = Box::pin(Rc::clone(handler).stream(call, inbound, outbound));
        Self {
            state: State::Running(Running {
                handler,
                deadline,
                stopped,
            }),
            source,
            counted,
        }
    }

    /// The next message, the status that the call failed with, or none at its good end. Safe to drop
    /// while waiting.
    pub async fn next(&mut self) -> NextMessage {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Answers::next`] as a poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<NextMessage> {
        loop {
            if let Some(message) = self.source.pop() {
                if let Some(counted) = &self.counted {
                    counted.sent(message.len());
                }
                return Poll::Ready(Some(Ok(message)));
            }
            match std::mem::replace(&mut self.state, State::Closed) {
                State::Running(running) => {
                    self.state = State::Running(running);
                    ready!(self.poll_once(cx));
                }
                State::Ended(result) => return Poll::Ready(self.end(result)),
                State::Closed => return Poll::Ready(None),
            }
        }
    }

    /// Polls the handler for the first time: a refusal can then be told before anything is answered.
    ///
    /// # Errors
    /// The refusal.
    pub fn open(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        self.poll_handler(cx);
        match &self.state {
            State::Ended(Err(status)) if self.source.is_empty() => {
                let status = status.clone();
                self.fail(&status);
                Err(status)
            }
            _ => Ok(()),
        }
    }

    /// Ends the call: a message could not be passed on.
    pub(crate) fn fail(&mut self, status: &Status) {
        self.source.clear();
        self.state = State::Closed;
        self.count_end(status.code);
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

    fn end(&mut self, result: Result<(), Status>) -> NextMessage {
        match result {
            Ok(()) => {
                self.count_end(Code::Ok);
                None
            }
            Err(status) => {
                self.count_end(status.code);
                Some(Err(status))
            }
        }
    }

    fn count_end(&mut self, code: Code) {
        if let Some(counted) = &mut self.counted {
            counted.end(code);
        }
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
