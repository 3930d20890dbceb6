//! Users, roles and rights as they are meant to be: lists that are gone through for each question.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use ::auth::{AuthError, AuthState};
use bytes::Bytes;
use proto::authpb::permission::Type;
use proto::etcdserverpb::InternalRaftRequest;
use types::KeyRange;

/// The user and the role that may do everything.
pub(crate) const ROOT: &str = "root";

/// What somebody wants to do with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Read,
    Write,
}

/// What a role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    key: Bytes,
    range_end: Bytes,
    kind: i32,
}

/// Everything about users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Auth {
    pub(crate) is_enabled: bool,
    pub(crate) revision: u64,
    users: BTreeMap<String, BTreeSet<String>>,
    roles: BTreeMap<String, Vec<Grant>>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            is_enabled: false,
            revision: 1,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl Auth {
    /// What a member holds.
    pub(crate) fn of(state: &AuthState) -> Self {
        let users = state.user_names().into_iter().map(|name| {
            let roles = state.user_roles(&name).unwrap_or_default();
            (name, roles.into_iter().collect())
        });
        let roles = state.role_names().into_iter().map(|name| {
            let grants = state.role_permissions(&name).unwrap_or_default();
            let grants = grants.into_iter().map(|permission| Grant {
                key: permission.key,
                range_end: permission.range_end,
                kind: permission.kind,
            });
            (name, grants.collect())
        });
        Self {
            is_enabled: state.is_enabled(),
            revision: state.revision(),
            users: users.collect(),
            roles: roles.collect(),
        }
    }

    /// Carries out a request about users and roles; none when it is about something else.
    pub(crate) fn apply(&mut self, request: &InternalRaftRequest) -> Option<Result<(), AuthError>> {
        let changed = if request.auth_enable.is_some() {
            self.enable()
        } else if request.auth_disable.is_some() {
            Ok(std::mem::take(&mut self.is_enabled))
        } else if let Some(add) = &request.auth_user_add {
            match self.users.contains_key(&add.name) {
                true => Err(AuthError::UserExists),
                false => {
                    self.users.insert(add.name.clone(), BTreeSet::new());
                    Ok(true)
                }
            }
        } else if let Some(delete) = &request.auth_user_delete {
            self.user_delete(&delete.name)
        } else if let Some(grant) = &request.auth_user_grant_role {
            self.user_grant(&grant.user, &grant.role)
        } else if let Some(revoke) = &request.auth_user_revoke_role {
            self.user_revoke(&revoke.name, &revoke.role)
        } else if let Some(add) = &request.auth_role_add {
            match self.roles.contains_key(&add.name) {
                true => Err(AuthError::RoleExists),
                false => {
                    self.roles.insert(add.name.clone(), Vec::new());
                    Ok(true)
                }
            }
        } else if let Some(delete) = &request.auth_role_delete {
            self.role_delete(&delete.role)
        } else if let Some(grant) = &request.auth_role_grant_permission {
            let perm = grant.perm.clone().unwrap_or_default();
            self.role_grant(
                &grant.name,
                Grant {
                    key: perm.key,
                    range_end: perm.range_end,
                    kind: perm.perm_type,
                },
            )
        } else if let Some(revoke) = &request.auth_role_revoke_permission {
            self.role_revoke(&revoke.role, &revoke.key, &revoke.range_end)
        } else {
            return None;
        };
        Some(changed.map(|is_change| {
            // Enabling alone does not count.
            self.revision += u64::from(is_change && request.auth_enable.is_none());
        }))
    }

    fn enable(&mut self) -> Result<bool, AuthError> {
        let root = self.users.get(ROOT);
        if !self.is_enabled && !root.ok_or(AuthError::RootUserNotExist)?.contains(ROOT) {
            return Err(AuthError::RootRoleNotExist);
        }
        self.is_enabled = true;
        Ok(true)
    }

    fn user_delete(&mut self, name: &str) -> Result<bool, AuthError> {
        if self.is_enabled && name == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        self.users.remove(name).ok_or(AuthError::UserNotFound)?;
        Ok(true)
    }

    fn user_grant(&mut self, name: &str, role: &str) -> Result<bool, AuthError> {
        let roles = self.users.get_mut(name).ok_or(AuthError::UserNotFound)?;
        if role != ROOT && !self.roles.contains_key(role) {
            return Err(AuthError::RoleNotFound);
        }
        Ok(roles.insert(role.to_owned()))
    }

    fn user_revoke(&mut self, name: &str, role: &str) -> Result<bool, AuthError> {
        if self.is_enabled && name == ROOT && role == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        let roles = self.users.get_mut(name).ok_or(AuthError::UserNotFound)?;
        match roles.remove(role) {
            true => Ok(true),
            false => Err(AuthError::RoleNotGranted),
        }
    }

    fn role_delete(&mut self, role: &str) -> Result<bool, AuthError> {
        self.roles.remove(role).ok_or(AuthError::RoleNotFound)?;
        for roles in self.users.values_mut() {
            roles.remove(role);
        }
        Ok(true)
    }

    /// A second grant changes the first of its key, if that has the same end.
    fn role_grant(&mut self, role: &str, grant: Grant) -> Result<bool, AuthError> {
        let grants = self.roles.get_mut(role).ok_or(AuthError::RoleNotFound)?;
        match grants.iter_mut().find(|other| other.key == grant.key) {
            Some(first) if first.range_end == grant.range_end => first.kind = grant.kind,
            _ => grants.push(grant),
        }
        grants.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(true)
    }

    fn role_revoke(&mut self, role: &str, key: &[u8], end: &[u8]) -> Result<bool, AuthError> {
        let grants = self.roles.get_mut(role).ok_or(AuthError::RoleNotFound)?;
        let before = grants.len();
        grants.retain(|grant| (&grant.key[..], &grant.range_end[..]) != (key, end));
        match grants.len() == before {
            true => Err(AuthError::PermissionNotGranted),
            false => Ok(true),
        }
    }

    /// Whether a user may do this with a range; nobody has no name.
    pub(crate) fn permits(
        &self,
        user: &str,
        right: Right,
        range: &KeyRange,
    ) -> Result<(), AuthError> {
        if !self.is_enabled {
            return Ok(());
        }
        if user.is_empty() {
            return Err(AuthError::UserEmpty);
        }
        let roles = self.users.get(user).ok_or(AuthError::PermissionDenied)?;
        let other = match right {
            Right::Read => Type::Read,
            Right::Write => Type::Write,
        };
        let grants = roles.iter().filter_map(|role| self.roles.get(role));
        let grants = grants.flatten().filter(|grant| {
            grant.kind == i32::from(other) || grant.kind == i32::from(Type::Readwrite)
        });
        let ranges: Vec<KeyRange> = grants
            .filter_map(|grant| KeyRange::new(grant.key.clone(), grant.range_end.clone()).ok())
            .collect();
        match roles.contains(ROOT) || covers(&ranges, range) {
            true => Ok(()),
            false => Err(AuthError::PermissionDenied),
        }
    }

    /// Whether a user may administer.
    pub(crate) fn permits_all(&self, user: &str) -> Result<(), AuthError> {
        if !self.is_enabled {
            return Ok(());
        }
        if user.is_empty() {
            return Err(AuthError::UserEmpty);
        }
        match self
            .users
            .get(user)
            .ok_or(AuthError::UserNotFound)?
            .contains(ROOT)
        {
            true => Ok(()),
            false => Err(AuthError::PermissionDenied),
        }
    }
}

/// A range is covered when its start is, and every key in it at which some grant ends.
fn covers(grants: &[KeyRange], range: &KeyRange) -> bool {
    let start = match range {
        KeyRange::All => &b"\0"[..],
        other => other.start(),
    };
    let is_granted = |key: &[u8]| grants.iter().any(|grant| grant.contains(key));
    let mut ends = grants.iter().filter_map(|grant| match grant {
        KeyRange::Point(key) => Some([key, &b"\0"[..]].concat()),
        other => match other.end() {
            Bound::Included(end) | Bound::Excluded(end) => Some(end.to_vec()),
            Bound::Unbounded => None,
        },
    });
    is_granted(start) && ends.all(|end| !range.contains(&end) || is_granted(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &'static str, end: &'static str) -> KeyRange {
        KeyRange::new(Bytes::from(key), Bytes::from(end)).unwrap()
    }

    /// A checker that grants too much finds nothing.
    #[test]
    fn grants_cover_together_or_not_at_all() {
        let grants = [
            range("a", "c"),
            range("c", ""),
            range("c\0", "f"),
            range("x", "\0"),
        ];
        for (key, end, is_covered) in [
            ("a", "f", true),
            ("b", "", true),
            ("a", "f\0", false),
            ("f", "", false),
            ("w", "\0", false),
            ("x", "\0", true),
            ("a", "\0", false),
            ("\0", "\0", false),
        ] {
            assert_eq!(
                covers(&grants, &range(key, end)),
                is_covered,
                "{key:?} {end:?}"
            );
        }
    }
}
