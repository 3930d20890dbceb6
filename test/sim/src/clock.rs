//! A member's own clock: it may run fast or slow, and jump forward.

use crate::queue::Time;

/// Runs at `rate` parts in a million of true time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    rate: u64,
    since: Time,
    then: Time,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            rate: 1_000_000,
            since: 0,
            then: 0,
        }
    }
}

impl Clock {
    /// What it shows at a moment.
    pub(crate) fn at(&self, now: Time) -> Time {
        self.then + (now - self.since) * self.rate / 1_000_000
    }

    /// How long something takes in truth that takes so long by this clock.
    pub(crate) fn truly(&self, span: Time) -> Time {
        (span * 1_000_000 / self.rate).max(1)
    }

    /// How fast it runs, in parts in a million of true time.
    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// From now on it runs at another rate.
    pub(crate) fn set_rate(&mut self, now: Time, rate: u64) {
        *self = Self {
            rate: rate.max(1),
            since: now,
            then: self.at(now),
        };
    }

    /// It jumps forward.
    pub(crate) fn jump(&mut self, now: Time, by: Time) {
        *self = Self {
            rate: self.rate,
            since: now,
            then: self.at(now) + by,
        };
    }
}
