//! Operations on users.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{AuthState, ROOT, User};
use crate::bucket::{self, BucketChange};
use crate::error::AuthError;

/// A user to add.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// The name.
    pub name: &'a str,
    /// The hash of the password, in base64.
    pub hashed_password: &'a str,
    /// Whether the user logs in without a password.
    pub no_password: bool,
}

impl AuthState {
    /// Adds a user without roles.
    ///
    /// # Errors
    /// [`AuthError::UserEmpty`], [`AuthError::UserExists`], [`AuthError::NoPasswordUser`] for a
    /// hash that is not base64.
    pub fn user_add(&mut self, new: NewUser<'_>) -> Result<Vec<BucketChange>, AuthError> {
        if new.name.is_empty() {
            return Err(AuthError::UserEmpty);
        }
        if self.users.contains_key(new.name) {
            return Err(AuthError::UserExists);
        }
        let password = match new.no_password {
            true => Bytes::new(),
            false => decoded(new.hashed_password)?,
        };
        let user = User::new(password, Vec::new(), Some(new.no_password));
        let change = self.put_user(new.name.into(), user);
        Ok(self.committed(vec![change]))
    }

    /// Removes a user.
    ///
    /// # Errors
    /// [`AuthError::InvalidManagement`] for `root` while authentication is on,
    /// [`AuthError::UserNotFound`].
    pub fn user_delete(&mut self, name: &str) -> Result<Vec<BucketChange>, AuthError> {
        if self.is_enabled() && name == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        self.users.remove(name).ok_or(AuthError::UserNotFound)?;
        Ok(self.committed(vec![bucket::user(name, None)]))
    }

    /// Gives a user another password; one that has none keeps none.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], [`AuthError::NoPasswordUser`] for a hash that is not base64.
    pub fn user_change_password(
        &mut self,
        name: &str,
        hashed_password: &str,
    ) -> Result<Vec<BucketChange>, AuthError> {
        let (name, user) = self.user(name)?;
        let password = match user.no_password {
            Some(true) => Bytes::new(),
            _ => decoded(hashed_password)?,
        };
        let user = User::new(password, user.roles.clone(), user.no_password);
        let change = self.put_user(name, user);
        Ok(self.committed(vec![change]))
    }

    /// Gives a user a role; nothing to do when it has it. The role `root` need not exist.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], [`AuthError::RoleNotFound`].
    pub fn user_grant_role(
        &mut self,
        name: &str,
        role: &str,
    ) -> Result<Vec<BucketChange>, AuthError> {
        let (name, user) = self.user(name)?;
        if role != ROOT && !self.roles.contains_key(role) {
            return Err(AuthError::RoleNotFound);
        }
        let Err(at) = user.find_role(role) else {
            return Ok(Vec::new());
        };
        let mut roles = user.roles.clone();
        roles.insert(at, role.into());
        let user = user.with_roles(roles);
        let change = self.put_user(name, user);
        Ok(self.committed(vec![change]))
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// [`AuthError::InvalidManagement`] for root's own role while authentication is on,
    /// [`AuthError::UserNotFound`], [`AuthError::RoleNotGranted`].
    pub fn user_revoke_role(
        &mut self,
        name: &str,
        role: &str,
    ) -> Result<Vec<BucketChange>, AuthError> {
        if self.is_enabled() && name == ROOT && role == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        let (name, user) = self.user(name)?;
        let user = without_role(&user, role).ok_or(AuthError::RoleNotGranted)?;
        let change = self.put_user(name, user);
        Ok(self.committed(vec![change]))
    }

    /// The names of a user's roles, in order.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`].
    pub fn user_roles(&self, name: &str) -> Result<Vec<String>, AuthError> {
        let (_, user) = self.user(name)?;
        Ok(user.roles.iter().map(|role| role.as_ref().into()).collect())
    }

    /// The names of all users, in order.
    #[must_use]
    pub fn user_names(&self) -> Vec<String> {
        self.users.keys().map(|name| name.as_ref().into()).collect()
    }

    fn user(&self, name: &str) -> Result<(Arc<str>, Arc<User>), AuthError> {
        let found = self.users.get_key_value(name);
        let (name, user) = found.ok_or(AuthError::UserNotFound)?;
        Ok((Arc::clone(name), Arc::clone(user)))
    }

    pub(super) fn put_user(&mut self, name: Arc<str>, user: User) -> BucketChange {
        let change = bucket::user(&name, Some(&user));
        self.users.insert(name, Arc::new(user));
        change
    }
}

/// The user without a role; none when it does not have it.
pub(super) fn without_role(user: &User, role: &str) -> Option<User> {
    let at = user.find_role(role).ok()?;
    let mut roles = user.roles.clone();
    roles.remove(at);
    Some(user.with_roles(roles))
}

fn decoded(hash: &str) -> Result<Bytes, AuthError> {
    STANDARD
        .decode(hash)
        .map(Bytes::from)
        .map_err(|_| AuthError::NoPasswordUser)
}
