//! What becomes known of a call while it is answered, for whoever keeps records of calls.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use proto::error::Code;

/// Steps that are kept of one call; a stream makes any number.
const STEPS_MAX: usize = 32;

/// Notes on one call.
#[derive(Debug, Default)]
pub struct Notes {
    user: RefCell<Option<Arc<str>>>,
    refused: Cell<Option<Code>>,
    steps: RefCell<Vec<Noted>>,
}

/// A step of a call: its name, its beginning and its end.
pub type Noted = (&'static str, Instant, Instant);

impl Notes {
    /// The call is made by that user; none is nobody.
    pub fn set_user(&self, user: Option<Arc<str>>) {
        *self.user.borrow_mut() = user;
    }

    /// Who makes the call, as far as that was found out.
    #[must_use]
    pub fn user(&self) -> Option<Arc<str>> {
        self.user.borrow().clone()
    }

    /// A part of a stream was refused, and the stream goes on.
    pub fn refuse(&self, code: Code) {
        self.refused.set(Some(code));
    }

    /// The last refusal, once.
    #[must_use]
    pub fn take_refusal(&self) -> Option<Code> {
        self.refused.take()
    }

    /// A step of the call is done.
    pub fn step(&self, name: &'static str, began: Instant, ended: Instant) {
        let mut steps = self.steps.borrow_mut();
        if steps.len() < STEPS_MAX {
            steps.push((name, began, ended));
        }
    }

    /// The steps so far, once.
    #[must_use]
    pub fn take_steps(&self) -> Vec<Noted> {
        self.steps.take()
    }
}
