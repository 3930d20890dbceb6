//! Messages on their way out, and what has to wait for the disk first.
//!
//! A message that promises something a crash must not undo (a vote, an acknowledgement, a term) is
//! *held* until every write asked for up to that moment is durable. This makes the member behave as
//! if each input had been written synchronously and its answers had merely been slow.

use std::collections::VecDeque;

use types::Term;

use crate::{effects::Ticket, message::Message};

/// What waits for the disk.
#[derive(Debug)]
pub(crate) enum Held {
    /// Leaves then.
    Message(Message),
    /// This candidate's vote for itself, which counts only when it is durable.
    OwnVote(Term),
}

/// See the module head.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    ready: Vec<Message>,
    /// Held, of a turn whose write has no ticket yet.
    fresh: Vec<Held>,
    held: VecDeque<(Ticket, Held)>,
}

impl Outbox {
    /// Sends as soon as the shell asks.
    pub(crate) fn send(&mut self, message: Message) {
        self.ready.push(message);
    }

    /// Keeps until what has been asked to be written so far is durable.
    pub(crate) fn hold(&mut self, held: Held) {
        self.fresh.push(held);
    }

    /// Ends a turn: what was held in it waits for `ticket`, unless `durable` has passed that.
    pub(crate) fn seal(&mut self, ticket: Ticket, durable: Ticket) {
        for held in self.fresh.drain(..) {
            match held {
                Held::Message(message) if ticket <= durable => self.ready.push(message),
                held => self.held.push_back((ticket, held)),
            }
        }
    }

    /// Everything held for tickets up to `durable`, oldest first.
    pub(crate) fn release(&mut self, durable: Ticket) -> Vec<Held> {
        let count = self.held.partition_point(|(ticket, _)| *ticket <= durable);
        self.held.drain(..count).map(|(_, held)| held).collect()
    }

    /// What may leave.
    pub(crate) fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.ready)
    }
}
