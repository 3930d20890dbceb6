//! How often a client pings, and when that is too often: the rules of Go's gRPC server.
//!
//! The HTTP/2 library answers pings by itself and tells nobody. So the bytes that it reads are
//! followed here from one frame's header to the next; payloads are passed over. A client that has
//! calls open may ping once in the shortest interval, one without calls once in two hours. Three
//! pings that come too early are too many. Answers forgive for a while, because clients measure the
//! line with pings while data flows, and what is on its way flows for longer than it is written.

use tokio::time::{Duration, Instant};

use crate::{
    drain::OpenCalls,
    frames::{Frames, HEADERS},
};

const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const ACK: u8 = 1;
const ENHANCE_YOUR_CALM: u32 = 11;
/// What Go's clients look for: they double their interval when they find it.
const REASON: &[u8] = b"too_many_pings";

/// How often a client without calls may ping.
const IDLE_INTERVAL_MIN: Duration = Duration::from_secs(2 * 60 * 60);
/// How long after an answer pings may come at any rate.
const GRACE: Duration = Duration::from_secs(10);
/// Pings that may come too early.
const STRIKES_MAX: u32 = 2;

/// Counts the pings of one connection.
pub(crate) struct Pings {
    interval_min: Duration,
    calls: OpenCalls,
    frames: Frames,
    /// The latest call that the client has opened.
    last_stream: u32,
    last: Option<Instant>,
    /// When answers were last found to have been made.
    answered: Option<Instant>,
    strikes: u32,
}

impl Pings {
    /// For a connection of which nothing was read, not even the preface.
    pub(crate) fn new(interval_min: Duration, calls: OpenCalls) -> Self {
        Self {
            interval_min,
            calls,
            frames: Frames::default(),
            last_stream: 0,
            last: None,
            answered: None,
            strikes: 0,
        }
    }

    /// Looks at what was read next.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some(head) = self.frames.next(&mut bytes) {
            if head.kind == HEADERS {
                self.last_stream = self.last_stream.max(head.stream);
            }
            if head.kind == PING && head.flags & ACK == 0 {
                self.count(Instant::now());
            }
        }
    }

    fn count(&mut self, now: Instant) {
        let interval_min = match self.calls.are_none() {
            true => IDLE_INTERVAL_MIN,
            false => self.interval_min,
        };
        let last = self.last.replace(now);
        if self.calls.take_answered() {
            self.answered = Some(now);
        }
        if self
            .answered
            .is_some_and(|at| now.duration_since(at) < GRACE)
        {
            self.strikes = 0;
        } else if last.is_some_and(|last| now.duration_since(last) < interval_min) {
            self.strikes += 1;
        }
    }

    /// Whether the connection has to end.
    pub(crate) fn are_too_many(&self) -> bool {
        self.strikes > STRIKES_MAX
    }

    /// The frame that says why.
    pub(crate) fn last_word(&self) -> Vec<u8> {
        let mut frame = vec![0, 0, 8 + REASON.len() as u8, GO_AWAY, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&self.last_stream.to_be_bytes());
        frame.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
        frame.extend_from_slice(REASON);
        frame
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{frames::frame, prefixed::PREFACE};

    /// Pings are told from other frames, and from their own answers.
    #[test]
    fn pings_are_found() {
        let mut pings = Pings::new(Duration::from_secs(5), OpenCalls::default());
        let ping = frame(PING, 0, 0, &[7; 8]);
        let call = frame(HEADERS, 4, 5, &[PING; 40]);
        let answer = frame(PING, ACK, 0, &[7; 8]);
        pings.follow(&[PREFACE, &ping, &call, &answer].concat());
        assert_eq!((pings.last_stream, pings.strikes), (5, 0));
        pings.follow(&[&*ping, &*ping].concat());
        assert_eq!(pings.strikes, 2);
    }

    /// Clients that keep to the flag must not be sent away, and others must be.
    #[tokio::test(start_paused = true)]
    async fn early_pings_are_counted() {
        let interval = Duration::from_secs(5);
        let calls = OpenCalls::default();
        let mut pings = Pings::new(interval, calls.clone());
        let mut ping = async |pause: Duration| {
            advance(pause).await;
            pings.count(Instant::now());
            pings.strikes
        };
        let soon = Duration::from_secs(1);
        assert_eq!(ping(soon).await, 0, "the first");
        assert_eq!(ping(interval).await, 1, "without calls");
        assert_eq!(ping(IDLE_INTERVAL_MIN).await, 1);
        let call = calls.open();
        assert_eq!(ping(interval).await, 1);
        assert_eq!(ping(soon).await, 2);
        call.answered();
        for _ in 0..2 * STRIKES_MAX {
            assert_eq!(ping(soon).await, 0, "answers forgive");
        }
        assert_eq!(ping(GRACE).await, 0);
        for strikes in 1..=STRIKES_MAX {
            assert_eq!(ping(soon).await, strikes);
        }
        assert!(ping(soon).await > STRIKES_MAX);
        drop(call);
        assert!(pings.are_too_many());
        assert_eq!(&pings.last_word()[17..], REASON);
    }
}
