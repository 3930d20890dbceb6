//! Whether a peer can be talked with, and since when.

use std::fmt::Display;
use std::time::Instant;

use parking_lot::Mutex;
use types::MemberId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was tried yet.
    Unknown,
    Active(Instant),
    Lost,
}

/// What is known of one peer. Only changes are worth a line of the log.
#[derive(Debug)]
pub(crate) struct Liveness {
    peer: MemberId,
    state: Mutex<State>,
}

impl Liveness {
    pub(crate) fn new(peer: MemberId) -> Self {
        Self {
            peer,
            state: Mutex::new(State::Unknown),
        }
    }

    /// A connection stands. True when there was none before.
    pub(crate) fn connected(&self) -> bool {
        let mut state = self.state.lock();
        let is_change = !matches!(*state, State::Active(_));
        if is_change {
            *state = State::Active(Instant::now());
            drop(state);
            tracing::info!("peer-id" = %self.peer, "peer became active");
        }
        is_change
    }

    /// A connection is gone, or could not be made. True when the peer was active before.
    pub(crate) fn lost(&self, connection: &str, error: &dyn Display) -> bool {
        let before = std::mem::replace(&mut *self.state.lock(), State::Lost);
        if before == State::Lost {
            tracing::debug!(peer = %self.peer, connection, %error, "no connection with a member");
        } else {
            tracing::warn!(
                "peer-id" = %self.peer, connection, %error,
                "peer became inactive (message send to peer failed)"
            );
        }
        matches!(before, State::Active(_))
    }

    /// Since when the peer is connected.
    pub(crate) fn active_since(&self) -> Option<Instant> {
        match *self.state.lock() {
            State::Active(since) => Some(since),
            _ => None,
        }
    }
}
