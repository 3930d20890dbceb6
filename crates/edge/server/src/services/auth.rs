//! The Auth service.
//!
//! What changes users and roles goes through the log, with hashes in the place of passwords. What
//! only looks is answered from this member's state, after a round that makes sure of it. Hashing and
//! comparing passwords happens on threads of its own, and only for those who may ask for it.

use std::sync::Arc;

use apply::{Login, Response};
use auth::{AuthError, Password, Permission};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::authpb;
use proto::error::Error;
use proto::etcdserverpb::{
    AuthEnableResponse, AuthRoleGetRequest, AuthRoleGetResponse, AuthRoleListRequest,
    AuthRoleListResponse, AuthStatusRequest, AuthStatusResponse, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserGetRequest, AuthUserGetResponse, AuthUserListRequest,
    AuthUserListResponse, AuthenticateRequest, AuthenticateResponse, InternalAuthenticateRequest,
    InternalRaftRequest,
};
use rpc::Status;

use super::call::Known;
use super::identity::Identity;
use super::{Services, decode, encode, error};

impl Services {
    pub(super) async fn auth_status(&self, request: Bytes) -> Result<Bytes, Status> {
        let AuthStatusRequest {} = decode(request)?;
        self.handle.linearizable().await?;
        let auth = self.engine().auth();
        Ok(encode(&AuthStatusResponse {
            header: Some(self.header_now()),
            enabled: auth.is_enabled(),
            auth_revision: auth.revision(),
        }))
    }

    /// A token for a user who knows the password.
    pub(super) async fn authenticate(&self, request: Bytes) -> Result<Bytes, Status> {
        let AuthenticateRequest { name, password } = decode(request)?;
        self.handle.linearizable().await?;
        let password: Arc<str> = password.into();
        loop {
            let checked = self.check_password(&name, &password).await;
            if let Err(refused) = &checked
                && *refused != Status::from(Error::AuthNotEnabled)
            {
                tracing::warn!(user = name, error = %refused.message, "invalid authentication was requested");
            }
            let checked = checked?;
            let login = self.log_in(&name).await?;
            // The password may be another one since it was compared.
            if login.revision == checked {
                let token = self.engine().credentials().token(login).await?;
                let header = Some(self.header_now());
                return Ok(encode(&AuthenticateResponse { header, token }));
            }
        }
    }

    /// Compares a password; the auth revision at which it was the user's.
    async fn check_password(&self, name: &str, password: &Arc<str>) -> Result<u64, Status> {
        let (known, revision) = {
            let auth = self.engine().auth();
            let known = auth.password(name).map_err(error::auth)?;
            (known, auth.revision())
        };
        let Password::Hash(hash) = known else {
            return Err(error::auth(AuthError::NoPasswordUser));
        };
        let passwords = self.engine().credentials().passwords();
        match passwords.fits(hash, Arc::clone(password)).await? {
            true => Ok(revision),
            false => Err(Error::AuthFailed.into()),
        }
    }

    /// Lets all members know that the user has logged in.
    async fn log_in(&self, name: &str) -> Result<Login, Status> {
        let secret = self.engine().credentials().secret();
        let authenticate = InternalAuthenticateRequest {
            name: name.to_owned(),
            simple_token: secret.map_err(|error| error::internal(&error))?,
            // It was compared here, and is nobody else's business.
            password: String::new(),
        };
        let applied = self.handle.propose(InternalRaftRequest {
            authenticate: Some(Box::new(authenticate)),
            ..InternalRaftRequest::default()
        });
        match applied.await?.result.map_err(error::rejected)? {
            Response::Authenticated(login) => Ok(login),
            _ => Err(error::mismatched()),
        }
    }

    pub(super) async fn user_get(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let AuthUserGetRequest { name } = decode(request)?;
        self.handle.linearizable().await?;
        let auth = self.engine().auth();
        auth.check_user_get(caller.who(), &name)
            .map_err(error::auth)?;
        let roles = auth.user_roles(&name).map_err(error::auth)?;
        let header = Some(self.header_now());
        Ok(encode(&AuthUserGetResponse { header, roles }))
    }

    pub(super) async fn user_list(&self, request: Bytes) -> Result<Bytes, Status> {
        let AuthUserListRequest {} = decode(request)?;
        self.handle.linearizable().await?;
        let users = self.engine().auth().user_names();
        let header = Some(self.header_now());
        Ok(encode(&AuthUserListResponse { header, users }))
    }

    pub(super) async fn role_get(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let AuthRoleGetRequest { role } = decode(request)?;
        self.handle.linearizable().await?;
        let auth = self.engine().auth();
        auth.check_role_get(caller.who(), &role)
            .map_err(error::auth)?;
        let permissions = auth.role_permissions(&role).map_err(error::auth)?;
        let perm = permissions.into_iter().map(wire).collect();
        let header = Some(self.header_now());
        Ok(encode(&AuthRoleGetResponse { header, perm }))
    }

    pub(super) async fn role_list(&self, request: Bytes) -> Result<Bytes, Status> {
        let AuthRoleListRequest {} = decode(request)?;
        self.handle.linearizable().await?;
        let roles = self.engine().auth().role_names();
        let header = Some(self.header_now());
        Ok(encode(&AuthRoleListResponse { header, roles }))
    }

    /// What changes users, roles, or whether they matter.
    pub(super) async fn change_auth(
        &self,
        known: Known,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let request = self.change(known, request).await?;
        let (_, revision) = self.propose(caller, request).await?;
        // The answers to all these requests hold a header and nothing else.
        let header = Some(self.header(revision));
        Ok(encode(&AuthEnableResponse { header }))
    }

    async fn change(&self, known: Known, request: Bytes) -> Result<InternalRaftRequest, Status> {
        let mut change = InternalRaftRequest::default();
        match known {
            Known::AuthEnable => change.auth_enable = Some(decode(request)?),
            Known::AuthDisable => change.auth_disable = Some(decode(request)?),
            Known::UserAdd => {
                let user = self.hashed_user(decode(request)?).await?;
                change.auth_user_add = Some(Box::new(user));
            }
            Known::UserDelete => change.auth_user_delete = Some(decode(request)?),
            Known::UserChangePassword => {
                let changed = self.hashed_password(decode(request)?).await?;
                change.auth_user_change_password = Some(changed);
            }
            Known::UserGrantRole => change.auth_user_grant_role = Some(decode(request)?),
            Known::UserRevokeRole => change.auth_user_revoke_role = Some(decode(request)?),
            Known::RoleAdd => change.auth_role_add = Some(decode(request)?),
            Known::RoleDelete => change.auth_role_delete = Some(decode(request)?),
            Known::RoleGrantPermission => {
                change.auth_role_grant_permission = Some(Box::new(decode(request)?));
            }
            Known::RoleRevokePermission => {
                change.auth_role_revoke_permission = Some(decode(request)?);
            }
            _ => return Err(Status::undecodable()),
        }
        Ok(change)
    }

    /// A new user as the log may hold it: without the password, whatever the options say.
    async fn hashed_user(
        &self,
        mut user: AuthUserAddRequest,
    ) -> Result<AuthUserAddRequest, Status> {
        let password = std::mem::take(&mut user.password);
        let has_password = !user.options.is_some_and(|options| options.no_password);
        user.hashed_password = match has_password {
            true => self.stored(password).await?,
            false => String::new(),
        };
        Ok(user)
    }

    /// A change of password as the log may hold it. Who sends no password may send a hash.
    async fn hashed_password(
        &self,
        mut changed: AuthUserChangePasswordRequest,
    ) -> Result<AuthUserChangePasswordRequest, Status> {
        let password = std::mem::take(&mut changed.password);
        if !password.is_empty() {
            changed.hashed_password = self.stored(password).await?;
        }
        Ok(changed)
    }

    /// A password as the log may hold it.
    async fn stored(&self, password: String) -> Result<String, Status> {
        let passwords = self.engine().credentials().passwords();
        Ok(STANDARD.encode(passwords.hash(password).await?))
    }
}

fn wire(permission: Permission) -> authpb::Permission {
    authpb::Permission {
        perm_type: permission.kind,
        key: permission.key,
        range_end: permission.range_end,
    }
}
