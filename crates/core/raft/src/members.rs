//! The configuration: who votes and who learns, and how a change leads from one to the next.
//!
//! A *simple* change adds, removes or demotes one voter at most; any number of learners may come
//! and go with it. Everything else goes through a *joint* configuration, in which the old and the
//! new voters must both agree until it is left. A voter that is to become a learner while the old
//! half still counts it waits in `learners_next`.
//!
//! Invariants: learners do not vote in either half; `learners_next` is part of the outgoing half;
//! outside of a joint configuration there is no outgoing half and nothing waits.

use std::collections::BTreeSet;

use types::{ConfState, MemberId};

use crate::quorum::{Joint, Majority};

/// What is done to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It becomes a voter.
    AddVoter,
    /// It leaves.
    Remove,
    /// Its addresses change, which is no matter of consensus.
    Update,
    /// It becomes a learner, if need be by losing its vote.
    AddLearner,
}

/// How a change of several members is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transition {
    /// Simple if it is one change, else joint and left automatically.
    #[default]
    Auto,
    /// Joint, left automatically.
    JointImplicit,
    /// Joint, left by a later change without changes.
    JointExplicit,
}

/// A decoded configuration change.
///
/// No changes and [`Transition::Auto`] leave a joint configuration. A change of member 0 does
/// nothing: the shell puts it in place of a change that the state machine has refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfChange {
    /// How.
    pub transition: Transition,
    /// What, in order.
    pub changes: Vec<(ChangeKind, MemberId)>,
}

impl ConfChange {
    /// The change of a single member.
    #[must_use]
    pub fn single(kind: ChangeKind, id: MemberId) -> Self {
        Self {
            transition: Transition::Auto,
            changes: vec![(kind, id)],
        }
    }

    /// The end of a joint configuration.
    #[must_use]
    pub fn leave() -> Self {
        Self::default()
    }

    fn is_leave(&self) -> bool {
        self.transition == Transition::Auto && self.changes.is_empty()
    }

    fn is_joint(&self) -> bool {
        self.transition != Transition::Auto || self.changes.len() > 1
    }
}

/// Why a configuration, or a change of it, is refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// Nobody would be left to vote.
    #[error("no voter would be left")]
    NoVoters,
    /// A simple or entering change came while the configuration is joint.
    #[error("the configuration is already joint")]
    AlreadyJoint,
    /// There is nothing to leave.
    #[error("the configuration is not joint")]
    NotJoint,
    /// A member has two roles that exclude each other.
    #[error("member {member} has contradictory roles")]
    Contradiction {
        /// The member.
        member: MemberId,
    },
}

/// See the module head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) voters: Joint,
    pub(crate) learners: BTreeSet<MemberId>,
    learners_next: BTreeSet<MemberId>,
    pub(crate) auto_leave: bool,
}

impl Members {
    /// Takes over a stored configuration, which may be empty for a member that joins.
    pub(crate) fn restore(conf: &ConfState) -> Result<Self, ConfError> {
        let set = |ids: &[MemberId]| ids.iter().copied().collect::<BTreeSet<_>>();
        let members = Self {
            voters: Joint {
                incoming: Majority(set(&conf.voters)),
                outgoing: Majority(set(&conf.voters_outgoing)),
            },
            learners: set(&conf.learners),
            learners_next: set(&conf.learners_next),
            auto_leave: conf.auto_leave,
        };
        members.check()?;
        Ok(members)
    }

    /// The configuration as it is stored.
    pub(crate) fn to_state(&self) -> ConfState {
        let list = |set: &BTreeSet<MemberId>| set.iter().copied().collect();
        ConfState {
            voters: list(&self.voters.incoming.0),
            learners: list(&self.learners),
            voters_outgoing: list(&self.voters.outgoing.0),
            learners_next: list(&self.learners_next),
            auto_leave: self.auto_leave,
        }
    }

    pub(crate) fn is_joint(&self) -> bool {
        !self.voters.outgoing.0.is_empty()
    }

    /// Whether `id` votes or learns.
    pub(crate) fn contains(&self, id: MemberId) -> bool {
        self.voters.contains(id) || self.learners.contains(&id)
    }

    /// Everyone who gets the log, in ascending order.
    pub(crate) fn ids(&self) -> BTreeSet<MemberId> {
        let mut ids = self.voters.ids();
        ids.extend(&self.learners);
        ids
    }

    /// The configuration after `change`.
    pub(crate) fn changed(&self, change: &ConfChange) -> Result<Self, ConfError> {
        let mut next = self.clone();
        if change.is_leave() {
            next.leave()?;
        } else if self.is_joint() {
            return Err(ConfError::AlreadyJoint);
        } else if change.is_joint() {
            if self.voters.incoming.0.is_empty() {
                return Err(ConfError::NoVoters);
            }
            next.voters.outgoing = self.voters.incoming.clone();
            next.auto_leave = change.transition != Transition::JointExplicit;
            next.apply(change);
        } else {
            // One change moves one voter at most, so that old and new majorities overlap.
            next.apply(change);
        }
        if next.voters.incoming.0.is_empty() {
            return Err(ConfError::NoVoters);
        }
        next.check()?;
        Ok(next)
    }

    fn leave(&mut self) -> Result<(), ConfError> {
        if !self.is_joint() {
            return Err(ConfError::NotJoint);
        }
        self.voters.outgoing.0.clear();
        self.learners.append(&mut self.learners_next);
        self.auto_leave = false;
        Ok(())
    }

    fn apply(&mut self, change: &ConfChange) {
        for (kind, id) in change.changes.iter().filter(|(_, id)| !id.is_none()) {
            match kind {
                ChangeKind::AddVoter => {
                    self.remove(*id);
                    self.voters.incoming.0.insert(*id);
                }
                ChangeKind::AddLearner => {
                    self.remove(*id);
                    if self.voters.outgoing.0.contains(id) {
                        self.learners_next.insert(*id);
                    } else {
                        self.learners.insert(*id);
                    }
                }
                ChangeKind::Remove => self.remove(*id),
                ChangeKind::Update => {}
            }
        }
    }

    fn remove(&mut self, id: MemberId) {
        self.voters.incoming.0.remove(&id);
        self.learners.remove(&id);
        self.learners_next.remove(&id);
    }

    fn check(&self) -> Result<(), ConfError> {
        let voting_learner = self.learners.iter().find(|id| self.voters.contains(**id));
        let stray = self
            .learners_next
            .iter()
            .find(|id| !self.voters.outgoing.0.contains(id) || self.voters.incoming.0.contains(id));
        if let Some(member) = voting_learner.or(stray).copied() {
            return Err(ConfError::Contradiction { member });
        }
        if self.auto_leave && !self.is_joint() {
            return Err(ConfError::NotJoint);
        }
        if self.is_joint() && self.voters.incoming.0.is_empty() {
            return Err(ConfError::NoVoters);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(voters: &[u64], learners: &[u64]) -> Members {
        let list = |ids: &[u64]| ids.iter().map(|id| MemberId(*id)).collect();
        let conf = ConfState {
            voters: list(voters),
            learners: list(learners),
            ..ConfState::default()
        };
        Members::restore(&conf).unwrap()
    }

    fn change(transition: Transition, changes: &[(ChangeKind, u64)]) -> ConfChange {
        let changes = changes
            .iter()
            .map(|(kind, id)| (*kind, MemberId(*id)))
            .collect();
        ConfChange {
            transition,
            changes,
        }
    }

    use ChangeKind::{AddLearner, AddVoter, Remove, Update};

    /// Two majorities that do not overlap elect two leaders.
    #[test]
    fn simple_changes_touch_one_voter() {
        let check = |kind, id, want: Result<Members, ConfError>| {
            let got = members(&[1, 2, 3], &[4]).changed(&ConfChange::single(kind, MemberId(id)));
            assert_eq!(got, want, "{kind:?} {id}");
        };
        check(AddVoter, 5, Ok(members(&[1, 2, 3, 5], &[4])));
        check(AddVoter, 4, Ok(members(&[1, 2, 3, 4], &[])));
        check(AddLearner, 3, Ok(members(&[1, 2], &[3, 4])));
        check(Remove, 3, Ok(members(&[1, 2], &[4])));
        check(Remove, 4, Ok(members(&[1, 2, 3], &[])));
        check(Remove, 9, Ok(members(&[1, 2, 3], &[4])));
        check(Update, 1, Ok(members(&[1, 2, 3], &[4])));
        check(AddVoter, 0, Ok(members(&[1, 2, 3], &[4])));
        let one = members(&[1], &[]);
        assert_eq!(
            one.changed(&ConfChange::single(Remove, MemberId(1))),
            Err(ConfError::NoVoters)
        );
        assert_eq!(one.changed(&ConfChange::leave()), Err(ConfError::NotJoint));
    }

    /// The old half must keep its word until the joint configuration is left.
    #[test]
    fn joint_changes_keep_the_old_half_until_left() {
        let enter = change(
            Transition::Auto,
            &[(AddVoter, 4), (AddLearner, 3), (Remove, 2)],
        );
        let joint = members(&[1, 2, 3], &[]).changed(&enter).unwrap();
        let ids = |ids: &[u64]| ids.iter().map(|id| MemberId(*id)).collect::<Vec<_>>();
        let state = joint.to_state();
        assert_eq!(state.voters, ids(&[1, 4]));
        assert_eq!(state.voters_outgoing, ids(&[1, 2, 3]));
        assert_eq!(state.learners_next, ids(&[3]));
        assert!(state.auto_leave);
        assert_eq!(joint.changed(&enter), Err(ConfError::AlreadyJoint));
        assert_eq!(Members::restore(&state).unwrap(), joint);
        assert_eq!(
            joint.changed(&ConfChange::leave()).unwrap(),
            members(&[1, 4], &[3])
        );
        let explicit = change(Transition::JointExplicit, &[(AddVoter, 4)]);
        assert!(!members(&[1], &[]).changed(&explicit).unwrap().auto_leave);
    }

    /// A snapshot with such a configuration would make this member count wrongly.
    #[test]
    fn contradictions_are_refused() {
        let bad = |conf: ConfState| Members::restore(&conf).unwrap_err();
        let one = vec![MemberId(1)];
        let contradiction = ConfError::Contradiction {
            member: MemberId(1),
        };
        let voters = ConfState {
            voters: one.clone(),
            ..ConfState::default()
        };
        assert_eq!(
            bad(ConfState {
                learners: one.clone(),
                ..voters.clone()
            }),
            contradiction
        );
        assert_eq!(
            bad(ConfState {
                learners_next: one.clone(),
                ..voters.clone()
            }),
            contradiction
        );
        assert_eq!(
            bad(ConfState {
                auto_leave: true,
                ..voters
            }),
            ConfError::NotJoint
        );
        let outgoing = ConfState {
            voters_outgoing: one,
            ..ConfState::default()
        };
        assert_eq!(bad(outgoing), ConfError::NoVoters);
    }

    proptest! {
        /// Every accepted change leads to a consistent configuration, whose old and new majorities
        /// overlap: two disjoint sets can never both decide.
        #[test]
        fn majorities_of_neighbours_overlap(
            steps in prop::collection::vec(
                (0u8..4, prop::collection::vec((0u8..4, 0u64..6), 0..4)), 0..20)
        ) {
            let mut at = members(&[1, 2, 3], &[]);
            for (transition, changes) in steps {
                let transition = match transition {
                    0 | 1 => Transition::Auto,
                    2 => Transition::JointImplicit,
                    _ => Transition::JointExplicit,
                };
                let kind = |k| [AddVoter, Remove, Update, AddLearner][usize::from(k)];
                let changes: Vec<_> = changes.iter().map(|(k, id)| (kind(*k), *id)).collect();
                let Ok(next) = at.changed(&change(transition, &changes)) else { continue };
                prop_assert_eq!(next.check(), Ok(()));
                for mask in 0u32..64 {
                    let side = |id: MemberId| Some(mask >> id.0 & 1 == 1);
                    let won = at.voters.tally(side) == crate::quorum::Tally::Won;
                    let other = next.voters.tally(|id| side(id).map(|yes| !yes));
                    prop_assert!(!(won && other == crate::quorum::Tally::Won));
                }
                at = next;
            }
        }
    }
}
