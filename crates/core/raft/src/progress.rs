//! What a leader knows about one follower, and how fast it may send to it.
//!
//! ```text
//!            acknowledged                 needs what was compacted
//!   Probe ----------------> Replicate          |
//!     ^  <----------------      |              v
//!     |   rejected or lost      +---------> Snapshot
//!     +----------------------------------------+
//!               reported, or acknowledged
//! ```
//! *Probe*: one append at a time, until it is known where the logs agree. *Replicate*: appends
//! follow each other without waiting, within the window. *Snapshot*: nothing is sent until the
//! snapshot has arrived or failed. `matched < next` always.

use types::Index;

use crate::inflights::Inflights;

/// How a follower is being sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressState {
    /// Searching for the point where the logs agree.
    Probe,
    /// Streaming entries.
    Replicate,
    /// Waiting for a snapshot that covers this index.
    Snapshot(Index),
}

/// The leader's view of one member, itself included.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// The log is known to be equal, and durable there, up to here.
    pub(crate) matched: Index,
    /// The next entry to send.
    pub(crate) next: Index,
    /// The highest commit index that an append carried there.
    pub(crate) commit_sent: Index,
    /// Whether it has been heard since the last check of the quorum.
    pub(crate) is_active: bool,
    pub(crate) state: ProgressState,
    /// No append may leave until something comes back (in the window: until a slot is free, or a
    /// heartbeat is answered, after which one empty append finds out whether appends were lost).
    is_paused: bool,
    pub(crate) inflights: Inflights,
}

impl Progress {
    /// A member of which nothing is known, probed from `next`.
    pub(crate) fn new(next: Index, inflights: Inflights) -> Self {
        Self {
            matched: Index(0),
            next,
            commit_sent: Index(0),
            is_active: false,
            state: ProgressState::Probe,
            is_paused: false,
            inflights,
        }
    }

    /// Whether an append, maybe an empty one, may leave.
    pub(crate) fn may_send(&self) -> bool {
        match self.state {
            ProgressState::Probe | ProgressState::Replicate => !self.is_paused,
            ProgressState::Snapshot(_) => false,
        }
    }

    /// Whether the append may have entries in it.
    pub(crate) fn may_send_entries(&self) -> bool {
        self.state != ProgressState::Replicate || !self.inflights.is_full()
    }

    /// Notes an append of `count` entries from `next` on.
    pub(crate) fn sent(&mut self, count: u64, bytes: u64, commit: Index) {
        self.commit_sent = self.commit_sent.max(commit);
        match self.state {
            ProgressState::Replicate => {
                if count > 0 {
                    self.next = Index(self.next.0 + count);
                    self.inflights.add(Index(self.next.0 - 1), bytes);
                }
                self.is_paused = self.inflights.is_full();
            }
            ProgressState::Probe => self.is_paused = true,
            ProgressState::Snapshot(_) => {}
        }
    }

    /// Takes an acknowledgement up to `index`; whether it tells something.
    pub(crate) fn acknowledge(&mut self, index: Index, first_held: Index) -> bool {
        let advanced = index > self.matched;
        if advanced {
            self.matched = index;
            self.next = self.next.max(index.next());
            self.is_paused = false;
        }
        let confirmed = index == self.matched && self.state == ProgressState::Probe;
        if !advanced && !confirmed {
            return false;
        }
        match self.state {
            ProgressState::Probe => self.become_replicate(),
            // Whatever the snapshot was, the entries that follow are at hand again.
            ProgressState::Snapshot(_) if self.matched.next() >= first_held => {
                self.become_replicate();
            }
            ProgressState::Snapshot(_) => {}
            ProgressState::Replicate => self.inflights.free_to(index),
        }
        true
    }

    /// Takes a rejection of the append after `rejected`; whether something must be sent anew.
    /// `agree` is where the logs may agree at best.
    pub(crate) fn reject(&mut self, rejected: Index, agree: Index) -> bool {
        match self.state {
            ProgressState::Replicate => {
                // An answer to an append from before the last acknowledgement is stale.
                if rejected <= self.matched {
                    return false;
                }
                self.become_probe();
                true
            }
            ProgressState::Probe => {
                if rejected.next() != self.next {
                    return false;
                }
                let retry = Index(rejected.0.min(agree.0.saturating_add(1)));
                self.next = retry.max(self.matched.next());
                self.commit_sent = self.commit_sent.min(Index(self.next.0 - 1));
                self.is_paused = false;
                true
            }
            ProgressState::Snapshot(_) => false,
        }
    }

    /// The member answers heartbeats: let one append out, even if the window is full.
    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Stops until the next answer.
    pub(crate) fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Sends one append at a time from the last certain point.
    pub(crate) fn become_probe(&mut self) {
        let certain = match self.state {
            ProgressState::Snapshot(pending) => self.matched.max(pending),
            _ => self.matched,
        };
        self.enter(ProgressState::Probe, certain.next());
    }

    /// Streams from the last acknowledged entry.
    pub(crate) fn become_replicate(&mut self) {
        self.enter(ProgressState::Replicate, self.matched.next());
    }

    /// Waits for a snapshot at `pending`.
    pub(crate) fn become_snapshot(&mut self, pending: Index) {
        self.enter(ProgressState::Snapshot(pending), pending.next());
    }

    /// Forgets that a snapshot was on its way: it failed.
    pub(crate) fn abandon_snapshot(&mut self) {
        if let ProgressState::Snapshot(_) = self.state {
            self.state = ProgressState::Snapshot(Index(0));
        }
    }

    fn enter(&mut self, state: ProgressState, next: Index) {
        self.state = state;
        self.next = next;
        self.commit_sent = self.commit_sent.min(Index(next.0 - 1));
        self.is_paused = false;
        self.inflights.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn progress() -> Progress {
        Progress::new(Index(6), Inflights::new(2, 0))
    }

    /// A probe that does not wait floods a member that is down.
    #[test]
    fn probe_sends_one_at_a_time() {
        let mut p = progress();
        assert!(p.may_send());
        p.sent(1, 10, Index(0));
        assert!(!p.may_send());
        assert_eq!(p.next, Index(6));
        // Stale: not the append that is out.
        assert!(!p.reject(Index(3), Index(1)));
        assert!(p.reject(Index(5), Index(2)));
        assert_eq!(p.next, Index(3));
        assert!(p.may_send());
    }

    /// Appends must go on while acknowledgements travel, and stop at the window's end.
    #[test]
    fn replicate_fills_the_window_and_goes_on_after_an_acknowledgement() {
        let mut p = progress();
        assert!(p.acknowledge(Index(5), Index(1)));
        assert_eq!(p.state, ProgressState::Replicate);
        p.sent(1, 10, Index(0));
        p.sent(2, 10, Index(0));
        assert_eq!(p.next, Index(9));
        assert!(!p.may_send());
        // After a heartbeat's answer one empty append may probe for losses.
        p.resume();
        assert!(p.may_send() && !p.may_send_entries());
        p.sent(0, 0, Index(0));
        assert!(!p.may_send());
        assert!(p.acknowledge(Index(6), Index(1)));
        assert!(p.may_send() && p.may_send_entries());
        assert!(p.reject(Index(8), Index(6)));
        assert_eq!((p.state, p.next), (ProgressState::Probe, Index(7)));
    }

    /// A follower that is forgotten in snapshot state never catches up.
    #[test]
    fn snapshot_ends_with_a_report_or_an_acknowledgement() {
        let mut p = progress();
        p.become_snapshot(Index(20));
        assert!(!p.may_send());
        p.become_probe();
        assert_eq!(p.next, Index(21));

        p.become_snapshot(Index(20));
        p.abandon_snapshot();
        p.become_probe();
        assert_eq!(p.next, Index(1));

        p.become_snapshot(Index(20));
        assert!(p.acknowledge(Index(10), Index(15)));
        assert_eq!(p.state, ProgressState::Snapshot(Index(20)));
        assert!(p.acknowledge(Index(14), Index(15)));
        assert_eq!((p.state, p.next), (ProgressState::Replicate, Index(15)));
    }

    proptest! {
        /// Whatever a member answers, what it is known to have never shrinks and is never resent.
        #[test]
        fn matched_grows_and_next_stays_above(steps in prop::collection::vec((0u8..8, 0u64..30), 0..80)) {
            let mut p = progress();
            for (step, number) in steps {
                let before = p.matched;
                match step {
                    0 | 1 if p.may_send() => {
                        let count = if p.may_send_entries() { number % 3 } else { 0 };
                        p.sent(count, number, Index(number));
                    }
                    2 => { p.acknowledge(Index(number), Index(4)); }
                    3 => { p.reject(Index(number), Index(number / 2)); }
                    4 => p.resume(),
                    5 => p.become_snapshot(Index(number.max(p.matched.0))),
                    6 => { p.abandon_snapshot(); p.become_probe(); }
                    7 => p.become_probe(),
                    _ => {}
                }
                prop_assert!(p.matched >= before);
                prop_assert!(p.next > p.matched);
                prop_assert!(p.inflights.len() <= 2);
            }
        }
    }
}
