//! A member with authentication on, and its users.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use bytes::Bytes;
use prost::Message;
use proto::authpb::{Permission, UserAddOptions};
use proto::etcdserverpb::{
    AuthEnableRequest, AuthEnableResponse, AuthRoleAddRequest, AuthRoleGrantPermissionRequest,
    AuthRoleRevokePermissionRequest, AuthUserAddRequest, AuthUserGrantRoleRequest,
    LeaseGrantRequest, LeaseGrantResponse, PutRequest, PutResponse,
};

use server::ServerConfig;

use crate::support::Member;
use crate::support::raw::RawClient;

pub(crate) const KV: &str = "etcdserverpb.KV";
pub(crate) const AUTH: &str = "etcdserverpb.Auth";
pub(crate) const LEASE: &str = "etcdserverpb.Lease";

pub(crate) const USER_EMPTY: &str = "etcdserver: user name is empty";
pub(crate) const DENIED: &str = "etcdserver: permission denied";
pub(crate) const BAD_TOKEN: &str = "etcdserver: invalid auth token";

/// `root` may do everything, `exact` may read and write `[k, l)`, `stranger` nothing.
pub(crate) struct World {
    pub(crate) member: Member,
    pub(crate) raw: RawClient,
    pub(crate) root: String,
    pub(crate) exact: String,
    pub(crate) stranger: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(Member::start().await).await
    }

    /// With other settings.
    pub(crate) async fn with(settings: impl FnOnce(&mut ServerConfig)) -> Self {
        Self::on(Member::with(settings).await).await
    }

    /// The users on a member that has none yet.
    pub(crate) async fn on(member: Member) -> Self {
        let raw = RawClient::connect(&member.url).await;
        for name in ["root", "exact", "stranger"] {
            add_user(&raw, None, name).await;
        }
        let role = |name: &str| AuthRoleAddRequest { name: name.into() };
        change(&raw, None, "RoleAdd", &role("keys")).await;
        grant(&raw, None, 2, "k", "l").await;
        for (user, role) in [("root", "root"), ("exact", "keys")] {
            let grant = AuthUserGrantRoleRequest {
                user: user.into(),
                role: role.into(),
            };
            change(&raw, None, "UserGrantRole", &grant).await;
        }
        // k1 hangs on lease 7, k2 on lease 8, and x, which only root may touch, on lease 9.
        for (lease, key) in [(7, "k1"), (8, "k2"), (9, "x")] {
            let grant = LeaseGrantRequest {
                ttl: 600,
                id: lease,
            };
            member.client.lease_grant(grant).await.unwrap();
            let put = PutRequest {
                key: Bytes::copy_from_slice(key.as_bytes()),
                lease,
                ..PutRequest::default()
            };
            member.client.put(put).await.unwrap();
        }
        change(&raw, None, "AuthEnable", &AuthEnableRequest {}).await;
        let token = async |name: &str| raw.token(name, &password(name)).await.unwrap();
        Self {
            root: token("root").await,
            exact: token("exact").await,
            stranger: token("stranger").await,
            member,
            raw,
        }
    }

    /// Makes lease 7 and its key again, if they are gone.
    pub(crate) async fn restore_lease(&self) {
        let root = Some(self.root.as_str());
        let grant = LeaseGrantRequest { ttl: 600, id: 7 };
        let granted: Result<LeaseGrantResponse, _> =
            self.raw.ask((LEASE, "LeaseGrant"), root, &grant).await;
        if granted.is_ok() {
            let put = PutRequest {
                key: "k1".into(),
                lease: 7,
                ..PutRequest::default()
            };
            self.put(&self.root, &put).await.unwrap();
        }
    }

    /// A change of users or roles by root.
    pub(crate) async fn administer(&self, method: &str, message: &impl Message) {
        change(&self.raw, Some(&self.root), method, message).await;
    }

    pub(crate) async fn grant(&self, kind: i32, key: &'static str, end: &'static str) {
        grant(&self.raw, Some(&self.root), kind, key, end).await;
    }

    /// Takes the permission for a range from the role of `exact`.
    pub(crate) async fn revoke(&self, key: &'static str, end: &'static str) {
        let revoke = AuthRoleRevokePermissionRequest {
            role: "keys".into(),
            key: key.into(),
            range_end: end.into(),
        };
        self.administer("RoleRevokePermission", &revoke).await;
    }

    pub(crate) async fn put(&self, token: &str, put: &PutRequest) -> Result<PutResponse, String> {
        self.raw.ask((KV, "Put"), Some(token), put).await
    }
}

/// Long enough that it does not turn up in a file by chance.
pub(crate) fn password(user: &str) -> String {
    format!("correct horse battery {user}")
}

pub(crate) async fn add_user(raw: &RawClient, token: Option<&str>, name: &str) {
    let user = AuthUserAddRequest {
        name: name.into(),
        password: password(name),
        options: Some(UserAddOptions::default()),
        ..AuthUserAddRequest::default()
    };
    change(raw, token, "UserAdd", &user).await;
}

async fn grant(
    raw: &RawClient,
    token: Option<&str>,
    kind: i32,
    key: &'static str,
    end: &'static str,
) {
    let grant = AuthRoleGrantPermissionRequest {
        name: "keys".into(),
        perm: Some(Permission {
            perm_type: kind,
            key: key.into(),
            range_end: end.into(),
        }),
    };
    change(raw, token, "RoleGrantPermission", &grant).await;
}

async fn change(raw: &RawClient, token: Option<&str>, method: &str, message: &impl Message) {
    let done: Result<AuthEnableResponse, _> = raw.ask((AUTH, method), token, message).await;
    done.unwrap_or_else(|error| panic!("{method}: {error}"));
}
