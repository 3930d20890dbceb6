//! The requests of one stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use proto::error::Code;
use rpc::{Call, Inbound, Notes, Status};

use super::observation::{Caller, Observation};
use super::{Known, Observers, takes_many};

/// A stream that is watched over.
pub(super) struct Stream(Rc<State>);

struct State {
    observers: Arc<Observers>,
    caller: Caller,
    /// The request that is being answered.
    current: RefCell<Option<Observation>>,
}

/// Looks at what a client streams; the messages are passed on as they are.
pub(super) fn observe(
    observers: Arc<Observers>,
    known: Known,
    call: &Call,
    notes: Rc<Notes>,
    mut inbound: Inbound,
) -> (Stream, Inbound) {
    let state = Rc::new(State {
        observers,
        caller: Caller::of(known, call, notes),
        current: RefCell::default(),
    });
    let watching = Rc::clone(&state);
    let inbound = Inbound::local(move |cx| {
        watching.asked_for_more();
        let next = inbound.poll_next(cx);
        if let Poll::Ready(Some(Ok(message))) = &next {
            watching.begin(message);
        }
        next
    });
    (Stream(state), inbound)
}

impl State {
    /// Who asks for the next request has answered the one before.
    fn asked_for_more(&self) {
        if takes_many(self.caller.known)
            && let Some(answered) = self.current.take()
        {
            answered.done();
        }
    }

    fn begin(&self, message: &Bytes) {
        let (observers, caller) = (Arc::clone(&self.observers), self.caller.clone());
        let begun = Observation::of(observers, caller, message);
        *self.current.borrow_mut() = Some(begun);
    }
}

impl Stream {
    /// The stream has ended. One that is refused before it has asked for anything is told as well.
    pub(super) fn ended(self, answered: &Result<(), Status>) {
        let code = answered
            .as_ref()
            .map_or_else(|status| status.code, |()| Code::Ok);
        let current = self.0.current.take();
        match current {
            Some(request) => request.ended(code),
            None if matches!(code, Code::Ok | Code::Cancelled) => {}
            None => {
                self.0.begin(&Bytes::new());
                if let Some(request) = self.0.current.take() {
                    request.ended(code);
                }
            }
        }
    }
}
