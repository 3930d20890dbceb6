//! Notices that the own disk does not finish its writes, so that a leader can let another one lead.
//!
//! A follower with a slow disk delays nobody. A leader applies only what is durable here, and so
//! would hold up everybody who waits for an answer from it.

use raft::Ticket;

/// The writes that must be durable and are not known to be.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    /// The newest of them, and since when none has been finished.
    pending: Option<(Ticket, u64)>,
}

impl Stall {
    /// A write was handed to the log.
    pub(crate) fn issued(&mut self, ticket: Ticket, now: u64) {
        let since = self.pending.map_or(now, |(_, since)| since);
        self.pending = Some((ticket, since));
    }

    /// Everything up to `ticket` is durable.
    pub(crate) fn persisted(&mut self, ticket: Ticket, now: u64) {
        self.pending = match self.pending {
            Some((newest, _)) if newest > ticket => Some((newest, now)),
            _ => None,
        };
    }

    /// Whether nothing was finished for `limit` ticks; it then counts anew.
    pub(crate) fn is_over(&mut self, now: u64, limit: u64) -> bool {
        match &mut self.pending {
            Some((_, since)) if now >= *since + limit => {
                *since = now;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that is slow but works must not cost the leadership.
    #[test]
    fn only_a_standstill_counts() {
        let mut stall = Stall::default();
        assert!(!stall.is_over(100, 20));
        stall.issued(Ticket(1), 100);
        stall.issued(Ticket(2), 110);
        assert!(!stall.is_over(119, 20));
        stall.persisted(Ticket(1), 119);
        assert!(!stall.is_over(138, 20));
        assert!(stall.is_over(139, 20));
        assert!(!stall.is_over(140, 20));
        assert!(stall.is_over(159, 20));
        stall.persisted(Ticket(2), 160);
        assert!(!stall.is_over(500, 20));
    }
}
