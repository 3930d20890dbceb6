//! How well this member is connected to the others.

use std::time::{Duration, Instant};

use types::MemberId;

use super::shared::Engine;

/// How long a member must have been reached without a break until it counts as connected.
const CONNECTED_FOR: Duration = Duration::from_secs(5);

impl Engine {
    /// Whether this member leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.status().leader() == self.member_id()
    }

    /// Whether this member cannot know who leads: its consensus has not run for a while, as after a
    /// pause of the process. Nobody can be missed by one that is alone.
    #[must_use]
    pub fn may_be_isolated(&self) -> bool {
        let pause = self.since_tick();
        pause > self.limits().election_timeout * 3 / 10 && !self.status().is_sole_leader()
    }

    /// Since when a member is reached, if it is.
    #[must_use]
    pub fn active_since(&self, member: MemberId) -> Option<Instant> {
        self.peers().and_then(|peers| peers.active_since(member))
    }

    /// Whether a member has been reached without a break for a while.
    #[must_use]
    pub fn is_connected(&self, member: MemberId) -> bool {
        let since = self.active_since(member);
        since.is_some_and(|since| since.elapsed() >= CONNECTED_FOR)
    }
}
