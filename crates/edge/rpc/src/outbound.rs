//! The messages that a server streams.
//!
//! The handler's future runs inside the response's body, and this queue lies between them. HTTP/2
//! takes from it only what the client has room for; a full queue makes the sender wait.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

/// Messages that may wait: enough to hand a burst over in one poll.
const QUEUE_MESSAGES_MAX: usize = 16;
/// Bytes that may wait before no further message is taken.
const QUEUE_BYTES_MAX: usize = 64 * 1024;

/// The stream is over: nobody will take the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is closed")]
pub struct Closed;

/// The server's side of a streaming call.
#[derive(Clone)]
pub struct Outbound {
    queue: Rc<Queue>,
}

impl Outbound {
    /// Sends a message as soon as the client's window has room for it.
    ///
    /// # Errors
    /// [`Closed`] when the stream is over.
    pub async fn send(&self, message: Bytes) -> Result<(), Closed> {
        self.ready().await?;
        self.push(message)
    }

    /// Waits until the queue takes another message.
    ///
    /// # Errors
    /// [`Closed`] when the stream is over.
    pub async fn ready(&self) -> Result<(), Closed> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// [`Outbound::ready`] as a poll.
    ///
    /// # Errors
    /// [`Closed`] when the stream is over.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if self.queue.closed.get() {
            return Poll::Ready(Err(Closed));
        }
        if self.has_room() {
            return Poll::Ready(Ok(()));
        }
        self.queue.sender.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Whether the queue takes another message at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.messages.borrow().len() < QUEUE_MESSAGES_MAX
            && self.queue.bytes.get() < QUEUE_BYTES_MAX
    }

    /// Queues a message without asking whether there is room.
    ///
    /// # Errors
    /// [`Closed`] when the stream is over.
    pub fn push(&self, message: Bytes) -> Result<(), Closed> {
        if self.queue.closed.get() {
            return Err(Closed);
        }
        self.queue.bytes.set(self.queue.bytes.get() + message.len());
        self.queue.messages.borrow_mut().push_back(message);
        // The body looks into the queue after it has polled the handler; only a sender in another
        // task has to wake it.
        if !self.queue.polling.get()
            && let Some(waker) = self.queue.body.take()
        {
            waker.wake();
        }
        Ok(())
    }
}

/// What the body of the response holds of the queue.
pub(crate) struct Source {
    queue: Rc<Queue>,
}

#[derive(Default)]
struct Queue {
    messages: RefCell<VecDeque<Bytes>>,
    bytes: Cell<usize>,
    closed: Cell<bool>,
    /// The handler's future is being polled by the body.
    polling: Cell<bool>,
    sender: Cell<Option<Waker>>,
    body: Cell<Option<Waker>>,
}

/// A queue and its two ends.
pub(crate) fn channel() -> (Outbound, Source) {
    let queue = Rc::new(Queue::default());
    let outbound = Outbound {
        queue: Rc::clone(&queue),
    };
    (outbound, Source { queue })
}

impl Source {
    /// Takes the next message.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        let message = self.queue.messages.borrow_mut().pop_front()?;
        self.queue.bytes.set(self.queue.bytes.get() - message.len());
        Some(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.messages.borrow().is_empty()
    }

    /// Drops what waits.
    pub(crate) fn clear(&self) {
        self.queue.messages.borrow_mut().clear();
        self.queue.bytes.set(0);
    }

    /// Polls the handler; what it pushes meanwhile needs no wake-up.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        handler: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        // A sender that waits in this task is polled right now; one in another task is woken.
        if let Some(waker) = self.queue.sender.take()
            && !waker.will_wake(cx.waker())
        {
            waker.wake();
        }
        self.queue.polling.set(true);
        let result = handler(cx);
        self.queue.polling.set(false);
        self.queue.body.set(Some(cx.waker().clone()));
        result
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.queue.closed.set(true);
        if let Some(waker) = self.queue.sender.take() {
            waker.wake();
        }
    }
}
