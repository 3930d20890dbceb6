//! Points on the caller's monotonic clock, kept in milliseconds.

use std::time::Duration;

/// A point in time: what has passed since an origin that the caller chose once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

impl From<Duration> for Instant {
    fn from(since_origin: Duration) -> Self {
        Self(since_origin)
    }
}

/// Milliseconds since the origin; eight bytes a lease instead of sixteen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    /// After every point that the clock can reach.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn from_instant(instant: Instant) -> Self {
        // The last value is taken by NEVER.
        Self(millis(instant.0).min(u64::MAX - 1))
    }

    pub(crate) fn to_instant(self) -> Instant {
        Instant(Duration::from_millis(self.0))
    }

    /// The point `seconds` later; never NEVER.
    pub(crate) fn plus_seconds(self, seconds: i64) -> Self {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        self.plus_millis(seconds.saturating_mul(1000))
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        self.plus_millis(millis(duration))
    }

    /// Whole seconds from `now` until this point; zero when it has passed.
    pub(crate) fn seconds_after(self, now: Self) -> i64 {
        i64::try_from(self.0.saturating_sub(now.0) / 1000).unwrap_or(i64::MAX)
    }

    /// Seconds from `now` until this point, a started one counted whole.
    pub(crate) fn seconds_until(self, now: Self) -> i64 {
        let seconds = self.0.saturating_sub(now.0).div_ceil(1000);
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis).min(u64::MAX - 1))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
