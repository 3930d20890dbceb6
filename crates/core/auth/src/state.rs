//! The auth state and its operations.
//!
//! Each operation checks its conditions in etcd's order, then changes the state, moves the revision,
//! and says what to store. Enabling is the one change that does not move the revision.

mod roles;
mod users;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::bucket::{self, BucketChange, LoadError};
use crate::check::Rights;
use crate::error::AuthError;
use crate::permission::Permission;

pub use users::NewUser;

/// The name of the user and of the role that may do everything.
pub const ROOT: &str = "root";

/// The revision of a store that never had users.
const FIRST_REVISION: u64 = 1;

/// Users and roles as of one entry of the log; a clone shares them.
#[derive(Clone, Debug)]
pub struct AuthState {
    is_enabled: bool,
    revision: u64,
    pub(crate) users: BTreeMap<Arc<str>, Arc<User>>,
    pub(crate) roles: BTreeMap<Arc<str>, Arc<Role>>,
}

/// One user.
pub(crate) struct User {
    /// The hash; empty when there is none.
    pub(crate) password: Bytes,
    /// In order of their names.
    pub(crate) roles: Vec<Arc<str>>,
    /// Whether the user logs in without a password; none in records of old servers.
    pub(crate) no_password: Option<bool>,
    /// What the roles add up to, found out when it is first asked. A change of the user or of one
    /// of its roles replaces the user, so that this never speaks of the past.
    pub(crate) rights: OnceLock<Rights>,
}

/// One role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Role {
    /// In order of their keys.
    pub(crate) permissions: Vec<Permission>,
}

/// What is known of a user's password.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// The user has none and cannot log in with one.
    None,
    /// Its hash; an empty one fits no password.
    Hash(Bytes),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Hash(_) => "Hash(..)",
        })
    }
}

impl Default for AuthState {
    fn default() -> Self {
        Self {
            is_enabled: false,
            revision: FIRST_REVISION,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl User {
    pub(crate) fn new(password: Bytes, roles: Vec<Arc<str>>, no_password: Option<bool>) -> Self {
        Self {
            password,
            roles,
            no_password,
            rights: OnceLock::new(),
        }
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.find_role(role).is_ok()
    }

    /// Where a role stands, or would stand.
    fn find_role(&self, role: &str) -> Result<usize, usize> {
        self.roles.binary_search_by(|own| own.as_ref().cmp(role))
    }

    fn with_roles(&self, roles: Vec<Arc<str>>) -> Self {
        Self::new(self.password.clone(), roles, self.no_password)
    }

    /// The same user, with rights that have to be found out anew.
    fn renewed(&self) -> Self {
        self.with_roles(self.roles.clone())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hash is not for logs.
        f.debug_struct("User")
            .field("roles", &self.roles)
            .field("no_password", &self.no_password)
            .finish_non_exhaustive()
    }
}

impl AuthState {
    /// Reads the three buckets.
    ///
    /// # Errors
    /// [`LoadError`] names the pair that does not decode.
    pub fn load(
        auth: &BTreeMap<Bytes, Bytes>,
        users: &BTreeMap<Bytes, Bytes>,
        roles: &BTreeMap<Bytes, Bytes>,
    ) -> Result<Self, LoadError> {
        let mut state = Self {
            is_enabled: bucket::load_enabled(auth)?,
            // A store without a revision, or with zero, begins with the first, as in etcd.
            revision: bucket::load_revision(auth)?
                .unwrap_or_default()
                .max(FIRST_REVISION),
            ..Self::default()
        };
        for (key, value) in users {
            let (name, user) = bucket::load_user(key, value)?;
            state.users.insert(name.into(), Arc::new(user));
        }
        for (key, value) in roles {
            let (name, role) = bucket::load_role(key, value)?;
            state.roles.insert(name.into(), Arc::new(role));
        }
        Ok(state)
    }

    /// Whether authentication is on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Counts the changes of users and roles.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Turns authentication on; nothing to do when it is.
    ///
    /// # Errors
    /// [`AuthError::RootUserNotExist`], [`AuthError::RootRoleNotExist`].
    pub fn enable(&mut self) -> Result<Vec<BucketChange>, AuthError> {
        if self.is_enabled {
            return Ok(Vec::new());
        }
        let root = self.users.get(ROOT).ok_or(AuthError::RootUserNotExist)?;
        if !root.has_role(ROOT) {
            return Err(AuthError::RootRoleNotExist);
        }
        self.is_enabled = true;
        Ok(vec![bucket::enabled(true)])
    }

    /// Turns authentication off; nothing to do when it is.
    pub fn disable(&mut self) -> Vec<BucketChange> {
        if !self.is_enabled {
            return Vec::new();
        }
        self.is_enabled = false;
        self.committed(vec![bucket::enabled(false)])
    }

    /// Whether a user can log in at this point of the log; the password was compared before.
    ///
    /// # Errors
    /// [`AuthError::NotEnabled`], [`AuthError::Failed`].
    pub fn authenticate(&self, name: &str) -> Result<(), AuthError> {
        match self.password(name)? {
            Password::Hash(_) => Ok(()),
            Password::None => Err(AuthError::Failed),
        }
    }

    /// What a password has to be compared with.
    ///
    /// # Errors
    /// [`AuthError::NotEnabled`], [`AuthError::Failed`] for an unknown user.
    pub fn password(&self, name: &str) -> Result<Password, AuthError> {
        if !self.is_enabled {
            return Err(AuthError::NotEnabled);
        }
        let user = self.users.get(name).ok_or(AuthError::Failed)?;
        Ok(match user.no_password {
            Some(true) => Password::None,
            _ => Password::Hash(user.password.clone()),
        })
    }

    /// Moves the revision, and stores it with the changes that moved it.
    fn committed(&mut self, mut changes: Vec<BucketChange>) -> Vec<BucketChange> {
        self.revision += 1;
        changes.push(bucket::revision(self.revision));
        changes
    }
}
