//! Counting: what a majority, or both majorities of a joint configuration, have reached.
//!
//! Pure functions of a voter set and of what each voter has acknowledged. Used for the commit
//! index, for elections, for the check that a leader still has its quorum and for read rounds.

use std::collections::BTreeSet;

use types::MemberId;

/// How a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tally {
    /// Neither side can be sure yet.
    Open,
    /// A quorum said yes.
    Won,
    /// A quorum of yes is out of reach.
    Lost,
}

/// A set of voters of which more than half decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Majority(pub(crate) BTreeSet<MemberId>);

impl Majority {
    /// The greatest position that more than half of the voters have reached; `None` when there are
    /// no voters, so that nothing is demanded.
    pub(crate) fn reached<T: Ord>(&self, position: impl Fn(MemberId) -> T) -> Option<T> {
        let mut positions: Vec<T> = self.0.iter().map(|id| position(*id)).collect();
        positions.sort_unstable();
        // With n voters a majority is n/2 + 1: the (n-1)/2 smallest may be left behind.
        let behind = positions.len().checked_sub(1)? / 2;
        positions.into_iter().nth(behind)
    }

    /// How the vote stands; no voters have no objection.
    pub(crate) fn tally(&self, vote: impl Fn(MemberId) -> Option<bool>) -> Tally {
        let quorum = self.0.len() / 2 + 1;
        let (mut yes, mut open) = (0, 0);
        for id in &self.0 {
            match vote(*id) {
                Some(true) => yes += 1,
                Some(false) => {}
                None => open += 1,
            }
        }
        if self.0.is_empty() || yes >= quorum {
            Tally::Won
        } else if yes + open >= quorum {
            Tally::Open
        } else {
            Tally::Lost
        }
    }
}

/// One or two majorities that must agree; `outgoing` is empty outside of a joint configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Joint {
    pub(crate) incoming: Majority,
    pub(crate) outgoing: Majority,
}

impl Joint {
    /// The greatest position that both halves have reached.
    pub(crate) fn reached<T: Ord>(&self, position: impl Fn(MemberId) -> T) -> Option<T> {
        let incoming = self.incoming.reached(&position);
        match self.outgoing.reached(&position) {
            None => incoming,
            Some(outgoing) => incoming.map(|reached| reached.min(outgoing)),
        }
    }

    /// How the vote stands in both halves together.
    pub(crate) fn tally(&self, vote: impl Fn(MemberId) -> Option<bool>) -> Tally {
        match (self.incoming.tally(&vote), self.outgoing.tally(&vote)) {
            (Tally::Lost, _) | (_, Tally::Lost) => Tally::Lost,
            (Tally::Won, Tally::Won) => Tally::Won,
            _ => Tally::Open,
        }
    }

    /// Whether `id` votes in either half.
    pub(crate) fn contains(&self, id: MemberId) -> bool {
        self.incoming.0.contains(&id) || self.outgoing.0.contains(&id)
    }

    /// All voters, each once, in ascending order.
    pub(crate) fn ids(&self) -> BTreeSet<MemberId> {
        self.incoming.0.union(&self.outgoing.0).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn majority(mask: u32) -> Majority {
        Majority(
            (0..5)
                .filter(|i| mask >> i & 1 == 1)
                .map(|i| MemberId(i + 1))
                .collect(),
        )
    }

    /// By definition: the greatest value such that more than half are at or above it.
    fn reached_by_definition(voters: &Majority, at: impl Fn(MemberId) -> u64) -> Option<u64> {
        (0..4).rev().find(|value| {
            let count = voters.0.iter().filter(|id| at(**id) >= *value).count();
            count * 2 > voters.0.len()
        })
    }

    /// A wrong median commits what a quorum does not have.
    #[test]
    fn reached_is_the_best_of_a_majority() {
        for mask in 0..32 {
            let voters = majority(mask);
            for values in 0..4u64.pow(5) {
                let at = |id: MemberId| values / 4u64.pow(u32::try_from(id.0 - 1).unwrap()) % 4;
                assert_eq!(voters.reached(at), reached_by_definition(&voters, at));
            }
        }
    }

    /// A wrong tally makes two leaders of one term, or none.
    #[test]
    fn tally_is_won_exactly_when_no_open_vote_matters() {
        for (incoming, outgoing) in (0..32).flat_map(|a| (0..32).map(move |b| (a, b))) {
            let joint = Joint {
                incoming: majority(incoming),
                outgoing: majority(outgoing),
            };
            for votes in 0..3u64.pow(5) {
                let vote = |id: MemberId| {
                    [None, Some(true), Some(false)]
                        [(votes / 3u64.pow(u32::try_from(id.0 - 1).unwrap()) % 3) as usize]
                };
                let wins = |half: &Majority, open: bool| {
                    let yes = half
                        .0
                        .iter()
                        .filter(|id| vote(**id).unwrap_or(open))
                        .count();
                    half.0.is_empty() || yes * 2 > half.0.len()
                };
                let both = |open| wins(&joint.incoming, open) && wins(&joint.outgoing, open);
                let expected = match (both(false), both(true)) {
                    (true, _) => Tally::Won,
                    (_, true) => Tally::Open,
                    _ => Tally::Lost,
                };
                assert_eq!(joint.tally(vote), expected, "{joint:?} {votes}");
            }
        }
    }

    /// A joint configuration commits only what both halves hold.
    #[test]
    fn joint_takes_the_lower_half() {
        let joint = Joint {
            incoming: majority(0b00111),
            outgoing: majority(0b11001),
        };
        assert_eq!(joint.reached(|id| id.0), Some(2));
        assert_eq!(joint.ids().len(), 5);
        assert!(joint.contains(MemberId(5)) && !joint.contains(MemberId(6)));
        let simple = Joint {
            incoming: majority(0b00111),
            ..Joint::default()
        };
        assert_eq!(simple.reached(|id| id.0), Some(2));
        assert_eq!(Joint::default().reached(|id| id.0), None);
    }
}
