//! Who asks, and what that one may see: the counterpart of the server's identities and readers.

use ::auth::{Access, AuthError, AuthState, Who};
use types::KeyRange;

use super::Process;
use crate::bug::Bug;
use crate::check::ROOT;
use crate::sim::{Sim, User};

/// A user, found out when users and roles were at a revision.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Caller {
    pub(super) user: User,
    pub(super) revision: u64,
}

impl Caller {
    /// Who asks, as far as this state says.
    pub(super) fn of(user: User, auth: &AuthState) -> Self {
        match auth.is_enabled() && !user.is_empty() {
            true => Self {
                user,
                revision: auth.revision(),
            },
            false => Self::default(),
        }
    }

    pub(super) fn who(&self) -> Who<'_> {
        Who {
            user: self.user,
            revision: self.revision,
        }
    }
}

impl Process {
    /// Who asks here.
    pub(super) fn identify(&self, user: User) -> Caller {
        Caller::of(user, &self.rights)
    }

    /// The member itself, which may end everybody's leases.
    pub(super) fn itself(&self, sim: &Sim) -> Caller {
        match sim.plan.extras.auth {
            true => Caller {
                user: ROOT,
                revision: self.rights.revision(),
            },
            false => Caller::default(),
        }
    }

    /// Whether a user may read a range, as the readers of this member know it.
    pub(super) fn may_read(&self, user: User, range: &KeyRange) -> Result<(), AuthError> {
        let caller = self.identify(user);
        self.rights.check(caller.who(), Access::Read, range)
    }

    /// The readers of this member hear of the users and roles that were applied.
    pub(super) fn publish_rights(&mut self, sim: &mut Sim) {
        if !sim.strikes(Bug::LateRevoke, 50) {
            self.rights = self.apply.auth().clone();
        }
    }
}
