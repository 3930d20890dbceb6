//! What is going to happen, in order of time and, at equal times, of having been asked for.

use std::collections::BTreeMap;

/// Microseconds since the start of the run.
pub(crate) type Time = u64;

/// One millisecond.
pub(crate) const MS: Time = 1_000;
/// One second.
pub(crate) const SECOND: Time = 1_000_000;

/// A queue of events.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    events: BTreeMap<(Time, u64), E>,
    number: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            events: BTreeMap::new(),
            number: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Something will happen at `at`.
    pub(crate) fn push(&mut self, at: Time, event: E) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    /// What happens next.
    pub(crate) fn pop(&mut self) -> Option<(Time, E)> {
        let ((at, _), event) = self.events.pop_first()?;
        Some((at, event))
    }
}
