//! Why an operation or an access is refused, alike on every member.

/// A refusal of the auth state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Enabling needs a user `root`.
    #[error("root user does not exist")]
    RootUserNotExist,
    /// Enabling needs the user `root` to have the role `root`.
    #[error("root user does not have root role")]
    RootRoleNotExist,
    /// The user exists.
    #[error("user name already exists")]
    UserExists,
    /// No user is named: in a request, or by the caller's credentials.
    #[error("user name is empty")]
    UserEmpty,
    /// There is no such user.
    #[error("user name not found")]
    UserNotFound,
    /// The role exists.
    #[error("role name already exists")]
    RoleExists,
    /// There is no such role.
    #[error("role name not found")]
    RoleNotFound,
    /// The request names no role.
    #[error("role name is empty")]
    RoleEmpty,
    /// Unknown user or wrong password.
    #[error("authentication failed")]
    Failed,
    /// The user logs in without a password, or the hash given for it is none.
    #[error("password was given for no password user")]
    NoPasswordUser,
    /// The request holds no permission.
    #[error("permission not given")]
    PermissionNotGiven,
    /// The caller may not do this.
    #[error("permission denied")]
    PermissionDenied,
    /// The user does not have the role.
    #[error("role is not granted to the user")]
    RoleNotGranted,
    /// The role does not have the permission.
    #[error("permission is not granted to the role")]
    PermissionNotGranted,
    /// Authentication is off.
    #[error("authentication is not enabled")]
    NotEnabled,
    /// It would lock everybody out, or grants a range that holds no key.
    #[error("invalid auth management")]
    InvalidManagement,
    /// The caller was identified before the last change of users or roles.
    #[error("revision of the auth store is old")]
    OldRevision,
}
