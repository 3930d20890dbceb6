//! How long calls take, where that is asked for.

use std::time::Duration;

use proto::{Method, error::Code};

use super::Counter;

/// Bounds of the histogram: milliseconds, and how they are written.
pub(super) const BOUNDS: [(u64, &str); 11] = [
    (5, "0.005"),
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1000, "1"),
    (2500, "2.5"),
    (5000, "5"),
    (10_000, "10"),
];

/// What is made of the time of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Whether there are histograms of it (`--metrics=extensive`).
    pub extensive: bool,
    /// A unary call that takes so long is worth a warning.
    pub slow_from: Option<Duration>,
}

impl Timing {
    /// Whether the clock has to be read at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.extensive || self.slow_from.is_some()
    }

    /// Says that a call was slow.
    pub(super) fn warn(&self, method: &Method, took: Duration, code: Code) {
        let Some(limit) = self.slow_from else { return };
        let is_stream = method.client_streaming || method.server_streaming;
        if took < limit || is_stream {
            return;
        }
        let name = format!("/{}/{}", method.service, method.name);
        let (took, limit) = (format!("{took:?}"), format!("{limit:?}"));
        tracing::warn!(
            "time spent" = took,
            "response type" = name,
            "expected-duration" = limit,
            code = code.name(),
            "request stats"
        );
    }
}

/// The histogram of one method on one thread.
#[derive(Default)]
pub(super) struct Handling {
    /// The last one is of what lies beyond the last bound.
    pub(super) counts: [Counter; BOUNDS.len() + 1],
    pub(super) nanos: Counter,
}

impl Handling {
    pub(super) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let is_below = |(millis, _): &(u64, &str)| nanos <= millis * 1_000_000;
        let place = BOUNDS.iter().position(is_below).unwrap_or(BOUNDS.len());
        self.counts[place].add(1);
        self.nanos.add(nanos);
    }
}
