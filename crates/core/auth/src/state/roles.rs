//! Operations on roles.

use std::sync::Arc;

use super::users::without_role;
use super::{AuthState, ROOT, Role};
use crate::bucket::{self, BucketChange};
use crate::error::AuthError;
use crate::permission::Permission;

impl AuthState {
    /// Adds a role without permissions.
    ///
    /// # Errors
    /// [`AuthError::RoleEmpty`], [`AuthError::RoleExists`].
    pub fn role_add(&mut self, name: &str) -> Result<Vec<BucketChange>, AuthError> {
        if name.is_empty() {
            return Err(AuthError::RoleEmpty);
        }
        if self.roles.contains_key(name) {
            return Err(AuthError::RoleExists);
        }
        let change = self.put_role(name, Role::default());
        Ok(self.committed(vec![change]))
    }

    /// Removes a role, also from all users that have it.
    ///
    /// # Errors
    /// [`AuthError::InvalidManagement`] for `root` while authentication is on,
    /// [`AuthError::RoleNotFound`].
    pub fn role_delete(&mut self, name: &str) -> Result<Vec<BucketChange>, AuthError> {
        if self.is_enabled() && name == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        self.roles.remove(name).ok_or(AuthError::RoleNotFound)?;
        let mut changes = vec![bucket::role(name, None)];
        for (user_name, user) in &mut self.users {
            if let Some(without) = without_role(user, name) {
                changes.push(bucket::user(user_name, Some(&without)));
                *user = Arc::new(without);
            }
        }
        Ok(self.committed(changes))
    }

    /// Lets a role do something, or changes what it may do with this range.
    ///
    /// # Errors
    /// [`AuthError::PermissionNotGiven`], [`AuthError::InvalidManagement`] for a range that can
    /// hold no key, [`AuthError::RoleNotFound`].
    pub fn role_grant_permission(
        &mut self,
        name: &str,
        permission: Option<Permission>,
    ) -> Result<Vec<BucketChange>, AuthError> {
        let permission = permission.ok_or(AuthError::PermissionNotGiven)?;
        if !permission.is_grantable() {
            return Err(AuthError::InvalidManagement);
        }
        let mut permissions = self.role(name)?.permissions.clone();
        let at = permissions.partition_point(|other| other.key < permission.key);
        // As in etcd, only the first permission of the key is looked at: all members must agree on
        // what a second grant of a later one leaves behind.
        match permissions.get_mut(at) {
            Some(first) if first.is_for(&permission.key, &permission.range_end) => {
                first.kind = permission.kind;
            }
            _ => {
                let after = permissions.partition_point(|other| other.key <= permission.key);
                permissions.insert(after, permission);
            }
        }
        Ok(self.replace_permissions(name, permissions))
    }

    /// Takes a permission for exactly this pair from a role.
    ///
    /// # Errors
    /// [`AuthError::RoleNotFound`], [`AuthError::PermissionNotGranted`].
    pub fn role_revoke_permission(
        &mut self,
        name: &str,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<Vec<BucketChange>, AuthError> {
        let mut permissions = self.role(name)?.permissions.clone();
        let before = permissions.len();
        permissions.retain(|permission| !permission.is_for(key, range_end));
        if permissions.len() == before {
            return Err(AuthError::PermissionNotGranted);
        }
        Ok(self.replace_permissions(name, permissions))
    }

    /// A role's permissions, in order of their keys; the role `root` shows that it may do all.
    ///
    /// # Errors
    /// [`AuthError::RoleNotFound`].
    pub fn role_permissions(&self, name: &str) -> Result<Vec<Permission>, AuthError> {
        let role = self.role(name)?;
        Ok(match name {
            ROOT => vec![Permission::all()],
            _ => role.permissions.clone(),
        })
    }

    /// The names of all roles, in order.
    #[must_use]
    pub fn role_names(&self) -> Vec<String> {
        self.roles.keys().map(|name| name.as_ref().into()).collect()
    }

    fn role(&self, name: &str) -> Result<&Role, AuthError> {
        let role = self.roles.get(name).ok_or(AuthError::RoleNotFound)?;
        Ok(role)
    }

    fn replace_permissions(
        &mut self,
        name: &str,
        permissions: Vec<Permission>,
    ) -> Vec<BucketChange> {
        let change = self.put_role(name, Role { permissions });
        for user in self.users.values_mut().filter(|user| user.has_role(name)) {
            *user = Arc::new(user.renewed());
        }
        self.committed(vec![change])
    }

    fn put_role(&mut self, name: &str, role: Role) -> BucketChange {
        let change = bucket::role(name, Some(&role));
        self.roles.insert(name.into(), Arc::new(role));
        change
    }
}
