//! Requests about users, roles and logins.
//!
//! A login writes nothing: it only says that a token exists from this entry on, to every member.

use auth::{AuthState, BucketChange, NewUser, Permission};
use proto::authpb;
use proto::etcdserverpb::{AuthUserAddRequest, InternalAuthenticateRequest, InternalRaftRequest};
use types::Index;

use crate::response::{Rejected, Response};

/// What an entry did to the tokens that members remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// A user has logged in.
    Assign(Login),
    /// A user's tokens end: it is gone, or its password has changed.
    RevokeUser(String),
    /// All tokens end: authentication is off.
    RevokeAll,
}

/// A login, as every member remembers it.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: String,
    /// The random part of the token; empty where tokens are not remembered.
    pub secret: String,
    /// The rest of the token: the entry before this one, so that all members agree on it.
    pub index: Index,
    /// The auth revision at this point of the log.
    pub revision: u64,
}

impl Login {
    /// The token.
    #[must_use]
    pub fn token(&self) -> String {
        format!("{}.{}", self.secret, self.index.0)
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is not for logs.
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("index", &self.index)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// What an auth request did.
pub(crate) struct AuthOutcome {
    pub(crate) response: Response,
    pub(crate) changes: Vec<BucketChange>,
    pub(crate) tokens: Option<TokenChange>,
}

/// Carries out a request about users, roles and logins; none when it is about something else.
/// `previous` is the entry before this one.
pub(crate) fn apply(
    state: &mut AuthState,
    request: &InternalRaftRequest,
    previous: Index,
) -> Option<Result<AuthOutcome, Rejected>> {
    if let Some(request) = &request.authenticate {
        return Some(authenticate(state, request, previous));
    }
    let changes = if request.auth_enable.is_some() {
        state.enable()
    } else if request.auth_disable.is_some() {
        Ok(state.disable())
    } else if let Some(request) = &request.auth_user_add {
        state.user_add(new_user(request))
    } else if let Some(request) = &request.auth_user_delete {
        state.user_delete(&request.name)
    } else if let Some(request) = &request.auth_user_change_password {
        state.user_change_password(&request.name, &request.hashed_password)
    } else if let Some(request) = &request.auth_user_grant_role {
        state.user_grant_role(&request.user, &request.role)
    } else if let Some(request) = &request.auth_user_revoke_role {
        state.user_revoke_role(&request.name, &request.role)
    } else if let Some(request) = &request.auth_role_add {
        state.role_add(&request.name)
    } else if let Some(request) = &request.auth_role_delete {
        state.role_delete(&request.role)
    } else if let Some(request) = &request.auth_role_grant_permission {
        let permission = request.perm.as_ref().map(permission);
        state.role_grant_permission(&request.name, permission)
    } else if let Some(request) = &request.auth_role_revoke_permission {
        state.role_revoke_permission(&request.role, &request.key, &request.range_end)
    } else {
        return None;
    };
    Some(match changes {
        Ok(changes) => Ok(AuthOutcome {
            response: Response::Done,
            tokens: revoked(request, &changes),
            changes,
        }),
        Err(error) => Err(Rejected::Auth(error)),
    })
}

fn authenticate(
    state: &AuthState,
    request: &InternalAuthenticateRequest,
    previous: Index,
) -> Result<AuthOutcome, Rejected> {
    state.authenticate(&request.name)?;
    let login = Login {
        user: request.name.clone(),
        secret: request.simple_token.clone(),
        index: previous,
        revision: state.revision(),
    };
    Ok(AuthOutcome {
        response: Response::Authenticated(login.clone()),
        changes: Vec::new(),
        tokens: Some(TokenChange::Assign(login)),
    })
}

/// The tokens that end with a request that was carried out.
fn revoked(request: &InternalRaftRequest, changes: &[BucketChange]) -> Option<TokenChange> {
    if request.auth_disable.is_some() {
        return (!changes.is_empty()).then_some(TokenChange::RevokeAll);
    }
    let deleted = request.auth_user_delete.as_ref().map(|r| &r.name);
    let changed = request.auth_user_change_password.as_ref().map(|r| &r.name);
    let user = deleted.or(changed)?;
    Some(TokenChange::RevokeUser(user.clone()))
}

/// A plain password, which servers before 3.5 put into the log, is not looked at: hashing it here
/// would need randomness that members do not share. Such a user cannot log in until it gets another.
fn new_user(request: &AuthUserAddRequest) -> NewUser<'_> {
    NewUser {
        name: &request.name,
        hashed_password: &request.hashed_password,
        no_password: request.options.is_some_and(|options| options.no_password),
    }
}

fn permission(permission: &authpb::Permission) -> Permission {
    Permission {
        kind: permission.perm_type,
        key: permission.key.clone(),
        range_end: permission.range_end.clone(),
    }
}
