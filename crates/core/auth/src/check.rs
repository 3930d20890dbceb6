//! The questions: may this user do that?

use std::sync::Arc;

use types::KeyRange;

use crate::error::AuthError;
use crate::ranges::RangeSet;
use crate::state::{AuthState, ROOT, Role, User};

/// What is done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading, and comparing.
    Read,
    /// Putting and deleting.
    Write,
}

/// Who asks: a user, identified when the auth state was at a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The auth revision of the identification; zero for nobody.
    pub revision: u64,
}

/// What a user may touch.
#[derive(Debug)]
pub(crate) struct Rights {
    read: RangeSet,
    write: RangeSet,
}

impl Rights {
    fn of(user: &User, roles: &std::collections::BTreeMap<Arc<str>, Arc<Role>>) -> Self {
        let permissions = || {
            let roles = user.roles.iter().filter_map(|name| roles.get(name));
            roles.flat_map(|role| &role.permissions)
        };
        Self {
            read: RangeSet::union(
                permissions()
                    .filter(|p| p.reads())
                    .filter_map(|p| p.range()),
            ),
            write: RangeSet::union(
                permissions()
                    .filter(|p| p.writes())
                    .filter_map(|p| p.range()),
            ),
        }
    }
}

impl AuthState {
    /// Whether `who` may access all keys of the range. Everybody may while authentication is off.
    ///
    /// # Errors
    /// [`AuthError::UserEmpty`] for nobody, [`AuthError::OldRevision`] when users or roles have
    /// changed since the identification, [`AuthError::PermissionDenied`].
    pub fn check(&self, who: Who<'_>, access: Access, range: &KeyRange) -> Result<(), AuthError> {
        if !self.is_enabled() {
            return Ok(());
        }
        if who.revision == 0 {
            return Err(AuthError::UserEmpty);
        }
        if who.revision < self.revision() {
            return Err(AuthError::OldRevision);
        }
        let user = self
            .users
            .get(who.user)
            .ok_or(AuthError::PermissionDenied)?;
        if user.has_role(ROOT) {
            return Ok(());
        }
        let rights = user.rights.get_or_init(|| Rights::of(user, &self.roles));
        let granted = match access {
            Access::Read => &rights.read,
            Access::Write => &rights.write,
        };
        if granted.covers(range) {
            Ok(())
        } else {
            Err(AuthError::PermissionDenied)
        }
    }

    /// Whether `who` may administer. Everybody may while authentication is off.
    ///
    /// # Errors
    /// [`AuthError::UserEmpty`] for nobody, [`AuthError::UserNotFound`],
    /// [`AuthError::PermissionDenied`] without the role `root`.
    pub fn check_admin(&self, who: Who<'_>) -> Result<(), AuthError> {
        if !self.is_enabled() {
            return Ok(());
        }
        if who.user.is_empty() {
            return Err(AuthError::UserEmpty);
        }
        let user = self.users.get(who.user).ok_or(AuthError::UserNotFound)?;
        if user.has_role(ROOT) {
            Ok(())
        } else {
            Err(AuthError::PermissionDenied)
        }
    }

    /// Whether `who` may see a user's roles: administrators, and the user.
    ///
    /// # Errors
    /// As [`AuthState::check_admin`].
    pub fn check_user_get(&self, who: Who<'_>, name: &str) -> Result<(), AuthError> {
        let checked = self.check_admin(who);
        if who.user == name { Ok(()) } else { checked }
    }

    /// Whether `who` may see a role's permissions: administrators, and who has the role.
    ///
    /// # Errors
    /// As [`AuthState::check_admin`].
    pub fn check_role_get(&self, who: Who<'_>, role: &str) -> Result<(), AuthError> {
        let checked = self.check_admin(who);
        let has_role = self
            .users
            .get(who.user)
            .is_some_and(|user| user.has_role(role));
        if has_role { Ok(()) } else { checked }
    }
}
