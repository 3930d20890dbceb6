//! Linearizable reads: gathered into rounds, confirmed by the leader, held until the state has
//! caught up.
//!
//! ```text
//! add ──> queued ──ask──> round ──confirmed at index──> confirmed ──applied >= index──> ready
//!            a new leader ──┘
//! ```
//! One round is under way at a time, and serves all reads that came before it. A round that gets no
//! answer is asked for again; the answer to any of its questions will do, since each was put after
//! all its reads had come.

use std::collections::BTreeMap;

use types::{Index, RequestId};

/// The reads that are not answered.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    queued: Vec<RequestId>,
    round: Option<Round>,
    confirmed: BTreeMap<Index, Vec<RequestId>>,
}

/// Reads that wait for one answer; the first of them names the round.
#[derive(Debug)]
struct Round {
    ids: Vec<RequestId>,
    /// When it was begun, in ticks.
    begun: u64,
    /// When a leader was asked last.
    asked: Option<u64>,
}

impl Reads {
    /// Reads come in.
    pub(crate) fn add(&mut self, ids: Vec<RequestId>) {
        if self.queued.is_empty() {
            self.queued = ids;
        } else {
            self.queued.extend(ids);
        }
    }

    /// The name of a round that is to be asked for now: a new one, or one that was never asked for
    /// or not answered for `retry` ticks.
    pub(crate) fn due(&mut self, now: u64, retry: u64) -> Option<RequestId> {
        if self.round.is_none() && !self.queued.is_empty() {
            self.round = Some(Round {
                ids: std::mem::take(&mut self.queued),
                begun: now,
                asked: None,
            });
        }
        let round = self.round.as_ref()?;
        let is_due = round.asked.is_none_or(|asked| now >= asked + retry);
        is_due.then(|| round.ids[0])
    }

    /// A leader was asked for the round.
    pub(crate) fn asked(&mut self, now: u64) {
        if let Some(round) = &mut self.round {
            round.asked = Some(now);
        }
    }

    /// Forgets a round that nobody waits for any more.
    pub(crate) fn expire(&mut self, now: u64, after: u64) {
        self.round.take_if(|round| now >= round.begun + after);
    }

    /// The round `name` was confirmed at `index`; others are over already.
    pub(crate) fn confirmed(&mut self, index: Index, name: RequestId) {
        if let Some(round) = self.round.take_if(|round| round.ids[0] == name) {
            let ids = self.confirmed.entry(index).or_default();
            match ids.is_empty() {
                true => *ids = round.ids,
                false => ids.extend(round.ids),
            }
        }
    }

    /// Somebody else leads: who was asked may never answer, and the new leader is asked at once.
    pub(crate) fn leader_changed(&mut self) {
        if let Some(round) = &mut self.round {
            round.asked = None;
        }
    }

    /// The reads that may be answered once everything up to `applied` is applied.
    pub(crate) fn ready(&mut self, applied: Index) -> Vec<RequestId> {
        match self.confirmed.first_key_value() {
            Some((first, _)) if *first <= applied => {}
            _ => return Vec::new(),
        }
        let later = self.confirmed.split_off(&applied.next());
        let ready = std::mem::replace(&mut self.confirmed, later);
        ready.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u64]) -> Vec<RequestId> {
        ids.iter().copied().map(RequestId).collect()
    }

    /// A read answered too early would miss an acknowledged write.
    #[test]
    fn reads_wait_for_their_index() {
        let mut reads = Reads::default();
        reads.add(ids(&[1, 2]));
        assert_eq!(reads.due(0, 5), Some(RequestId(1)));
        reads.asked(0);
        reads.add(ids(&[3]));
        reads.confirmed(Index(7), RequestId(1));
        assert_eq!(reads.due(0, 5), Some(RequestId(3)));
        reads.asked(0);
        reads.confirmed(Index(5), RequestId(3));
        assert!(reads.ready(Index(4)).is_empty());
        assert_eq!(reads.ready(Index(6)), ids(&[3]));
        assert_eq!(reads.ready(Index(9)), ids(&[1, 2]));
        assert!(reads.ready(Index(9)).is_empty());
    }

    /// A lost message must not hang all reads that come later.
    #[test]
    fn a_round_is_asked_for_again_and_given_up() {
        let mut reads = Reads::default();
        reads.add(ids(&[1]));
        // Nobody leads: it stays due.
        assert_eq!(reads.due(0, 5), Some(RequestId(1)));
        assert_eq!(reads.due(1, 5), Some(RequestId(1)));
        reads.asked(1);
        reads.add(ids(&[2]));
        assert_eq!(reads.due(5, 5), None);
        assert_eq!(reads.due(6, 5), Some(RequestId(1)));
        reads.asked(6);
        reads.expire(9, 10);
        assert_eq!(reads.due(9, 5), None);
        reads.expire(10, 10);
        assert_eq!(reads.due(10, 5), Some(RequestId(2)));
        reads.asked(10);
        // An answer to what is over tells nothing of the reads that came since.
        reads.confirmed(Index(1), RequestId(1));
        assert!(reads.ready(Index(9)).is_empty());
        // Another leader is asked without delay.
        reads.leader_changed();
        assert_eq!(reads.due(10, 5), Some(RequestId(2)));
    }
}
