//! What else all members must agree on, whatever they have been through: users and roles as the
//! model has them; members, cluster version, downgrades and alarms as whoever was first had them.

use std::collections::BTreeMap;

use ::apply::{Apply, Rejected};
use types::{Index, KeyRange};

use super::auth::{Auth, Right};
use crate::network::Slot;
use crate::violation::{Checked, Violation, ensure};

/// The states from each change on.
#[derive(Debug, Default)]
pub(crate) struct Government {
    first: Auth,
    auths: BTreeMap<Index, Auth>,
    others: BTreeMap<Index, (String, Slot)>,
}

impl Government {
    /// The model has applied an entry.
    pub(super) fn decided(&mut self, index: Index, auth: &Auth) {
        if self.auth_at(index) != auth {
            self.auths.insert(index, auth.clone());
        }
    }

    /// Users and roles as of an entry.
    fn auth_at(&self, index: Index) -> &Auth {
        let newest = self.auths.range(..=index).next_back();
        newest.map_or(&self.first, |(_, auth)| auth)
    }

    /// A member was the first to apply an entry that changes something.
    pub(crate) fn changed(&mut self, slot: Slot, index: Index, apply: &Apply) -> Checked {
        self.others.insert(index, (others(apply), slot));
        self.holds(slot, index, apply)
    }

    /// A member has come to an entry: applied it, started from it, or installed its snapshot.
    pub(crate) fn holds(&mut self, slot: Slot, index: Index, apply: &Apply) -> Checked {
        let (auth, own) = (self.auth_at(index), Auth::of(apply.auth()));
        ensure(*auth == own, "equal users", || {
            format!("member {slot} has {own:?} at {index}, instead of {auth:?}")
        })?;
        let own = others(apply);
        let Some((_, (other, first))) = self.others.range(..=index).next_back() else {
            self.others.insert(index, (own, slot));
            return Ok(());
        };
        ensure(*other == own, "equal government", || {
            format!("at {index} member {first} has {other}, member {slot} has {own}")
        })
    }

    /// A member that had applied an entry has answered a user's read of a range, or refused it.
    pub(crate) fn read(
        &self,
        applied: Index,
        user: &str,
        range: &KeyRange,
        refused: Option<Rejected>,
    ) -> Checked {
        let right = self.auth_at(applied).permits(user, Right::Read, range);
        let is_right = match (refused, right) {
            (Some(Rejected::Auth(refused)), right) => right == Err(refused),
            (_, right) => right.is_ok(),
        };
        ensure(is_right, "rights", || {
            format!("{user:?} reads {range:?} at {applied}: {refused:?}, but should: {right:?}")
        })
    }

    /// A member that had applied an entry sends events of a range to a user, or says no more will come.
    pub(crate) fn watch(
        &self,
        applied: Index,
        user: &str,
        range: &KeyRange,
        goes_on: bool,
    ) -> Checked {
        let right = self.auth_at(applied).permits(user, Right::Read, range);
        match right.is_ok() == goes_on {
            true => Ok(()),
            false => Err(Violation::new(
                "rights",
                format!("{user:?} watches {range:?} at {applied}: {goes_on}, but {right:?}"),
            )),
        }
    }
}

fn others(apply: &Apply) -> String {
    format!("{:?} {:?}", apply.membership(), apply.alarms().list())
}
