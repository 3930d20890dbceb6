//! Every method of the API × every kind of caller. A method without a row fails the test.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use bytes::Bytes;
use prost::Message;
use proto::authpb::Permission;
use proto::etcdserverpb::{
    AlarmRequest, AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGetRequest,
    AuthRoleGrantPermissionRequest, AuthRoleRevokePermissionRequest, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserDeleteRequest, AuthUserGetRequest,
    AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest, AuthenticateRequest, CompactionRequest,
    DeleteRangeRequest, DowngradeRequest, LeaseGrantRequest, LeaseKeepAliveRequest,
    LeaseRevokeRequest, LeaseTimeToLiveRequest, MemberAddRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest, MoveLeaderRequest, PutRequest, RangeRequest,
    RequestOp, TxnRequest, WatchCreateRequest, WatchRequest, WatchResponse, request_op,
    watch_request,
};

use proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use proto::v3lockpb::{LockRequest, UnlockRequest};

use crate::certified::Certified;
use crate::support::Member;
use crate::support::raw::RawClient;
use crate::world::{BAD_TOKEN, DENIED, USER_EMPTY, World, password};

/// What a method asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Nothing; tokens are not looked at.
    Open,
    /// Nothing, but a bad token is refused.
    Anybody,
    /// A user.
    User,
    /// A right that `exact` has.
    Rights,
    /// The role `root`.
    Root,
}

/// The request that is sent, which `exact` may make where rights decide.
pub(crate) fn row(service: &str, method: &str) -> Option<(Level, Bytes)> {
    use Level::{Anybody, Open, Rights, Root, User};
    let key = || Bytes::from_static(b"k1");
    let row = match (service, method) {
        ("etcdserverpb.KV", "Range" | "RangeStream") => {
            let (key, range_end) = (key(), "l".into());
            let range = RangeRequest {
                key,
                range_end,
                ..RangeRequest::default()
            };
            (Rights, bytes(range))
        }
        ("etcdserverpb.KV", "Put") => (Rights, bytes(put("k3"))),
        ("etcdserverpb.KV", "DeleteRange") => {
            let delete = DeleteRangeRequest {
                key: "k3".into(),
                ..DeleteRangeRequest::default()
            };
            (Rights, bytes(delete))
        }
        ("etcdserverpb.KV", "Txn") => {
            let op = RequestOp {
                request: Some(request_op::Request::RequestPut(put("k3"))),
            };
            (
                Rights,
                bytes(TxnRequest {
                    failure: vec![op],
                    ..TxnRequest::default()
                }),
            )
        }
        ("etcdserverpb.KV", "Compact") => (
            Root,
            bytes(CompactionRequest {
                revision: 2,
                ..CompactionRequest::default()
            }),
        ),
        ("etcdserverpb.Watch", "Watch") => {
            let create = WatchCreateRequest {
                key: key(),
                ..WatchCreateRequest::default()
            };
            let union = watch_request::RequestUnion::CreateRequest(create);
            (
                Rights,
                bytes(WatchRequest {
                    request_union: Some(union),
                }),
            )
        }
        ("etcdserverpb.Lease", "LeaseGrant") => {
            (User, bytes(LeaseGrantRequest { ttl: 600, id: 0 }))
        }
        ("etcdserverpb.Lease", "LeaseRevoke") => (Rights, bytes(LeaseRevokeRequest { id: 7 })),
        ("etcdserverpb.Lease", "LeaseKeepAlive") => {
            (Rights, bytes(LeaseKeepAliveRequest { id: 8 }))
        }
        ("etcdserverpb.Lease", "LeaseTimeToLive") => {
            (Rights, bytes(LeaseTimeToLiveRequest { id: 8, keys: true }))
        }
        ("etcdserverpb.Lease", "LeaseLeases") => (Rights, Bytes::new()),
        ("etcdserverpb.Cluster", "MemberList") => (User, Bytes::new()),
        // Such as change nothing even if they are let through.
        ("etcdserverpb.Cluster", "MemberAdd") => (Root, bytes(MemberAddRequest::default())),
        ("etcdserverpb.Cluster", "MemberRemove") => (Root, bytes(MemberRemoveRequest { id: 1 })),
        ("etcdserverpb.Cluster", "MemberUpdate") => (Root, bytes(MemberUpdateRequest::default())),
        ("etcdserverpb.Cluster", "MemberPromote") => (Root, bytes(MemberPromoteRequest { id: 1 })),
        ("etcdserverpb.Maintenance", "Alarm") => (User, bytes(AlarmRequest::default())),
        ("etcdserverpb.Maintenance", "Status") => (User, Bytes::new()),
        ("etcdserverpb.Maintenance", "Defragment" | "Hash" | "HashKV" | "Snapshot") => {
            (Root, Bytes::new())
        }
        ("etcdserverpb.Maintenance", "MoveLeader") => {
            (Root, bytes(MoveLeaderRequest { target_id: 1 }))
        }
        ("etcdserverpb.Maintenance", "Downgrade") => (Root, bytes(DowngradeRequest::default())),
        ("etcdserverpb.Auth", "AuthStatus") => (Anybody, Bytes::new()),
        ("etcdserverpb.Auth", "Authenticate") => {
            let (name, password) = ("exact".into(), password("exact"));
            (Open, bytes(AuthenticateRequest { name, password }))
        }
        ("etcdserverpb.Auth", "UserGet") => (
            Rights,
            bytes(AuthUserGetRequest {
                name: "exact".into(),
            }),
        ),
        ("etcdserverpb.Auth", "RoleGet") => (
            Rights,
            bytes(AuthRoleGetRequest {
                role: "keys".into(),
            }),
        ),
        ("etcdserverpb.Auth", method) => (Root, administration(method)?),
        ("v3lockpb.Lock" | "v3electionpb.Election", method) => (Rights, queue(method)?),
        ("grpc.health.v1.Health", _) => (Open, Bytes::new()),
        _ => return None,
    };
    Some(row)
}

/// Requests whose keys are those of the queue `k`.
fn queue(method: &str) -> Option<Bytes> {
    let name = Bytes::from_static(b"k");
    let leader = || LeaderKey {
        name: name.clone(),
        key: "k/8".into(),
        ..LeaderKey::default()
    };
    Some(match method {
        "Lock" => bytes(LockRequest {
            name: name.clone(),
            lease: 8,
        }),
        "Unlock" => bytes(UnlockRequest { key: "k/8".into() }),
        "Campaign" => bytes(CampaignRequest {
            name: name.clone(),
            lease: 8,
            ..CampaignRequest::default()
        }),
        "Proclaim" => bytes(ProclaimRequest {
            leader: Some(leader()),
            ..ProclaimRequest::default()
        }),
        "Leader" | "Observe" => bytes(LeaderRequest { name: name.clone() }),
        "Resign" => bytes(ResignRequest {
            leader: Some(leader()),
        }),
        _ => return None,
    })
}

fn administration(method: &str) -> Option<Bytes> {
    let (name, user, role) = (|| "n".to_owned(), || "n".to_owned(), || "r".to_owned());
    let (key, range_end) = (Bytes::from_static(b"a"), Bytes::new());
    Some(match method {
        "AuthEnable" | "AuthDisable" | "UserList" | "RoleList" => Bytes::new(),
        "UserAdd" => bytes(AuthUserAddRequest {
            name: name(),
            ..AuthUserAddRequest::default()
        }),
        "UserDelete" => bytes(AuthUserDeleteRequest { name: name() }),
        "UserChangePassword" => bytes(AuthUserChangePasswordRequest {
            name: name(),
            password: "new".into(),
            ..AuthUserChangePasswordRequest::default()
        }),
        "UserGrantRole" => bytes(AuthUserGrantRoleRequest {
            user: user(),
            role: role(),
        }),
        "UserRevokeRole" => bytes(AuthUserRevokeRoleRequest {
            name: name(),
            role: role(),
        }),
        "RoleAdd" => bytes(AuthRoleAddRequest { name: role() }),
        "RoleDelete" => bytes(AuthRoleDeleteRequest { role: role() }),
        "RoleGrantPermission" => bytes(AuthRoleGrantPermissionRequest {
            name: role(),
            perm: Some(Permission {
                key,
                range_end,
                ..Permission::default()
            }),
        }),
        "RoleRevokePermission" => bytes(AuthRoleRevokePermissionRequest {
            role: role(),
            key,
            range_end,
        }),
        _ => return None,
    })
}

fn put(key: &'static str) -> PutRequest {
    PutRequest {
        key: key.into(),
        prev_kv: true,
        ..PutRequest::default()
    }
}

fn bytes(message: impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Who a method takes its caller for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Nobody,
    /// Shows a token that is nobody's.
    BadToken,
    /// Shows a certificate without a name.
    Nameless,
    /// Shows a certificate with a name that no user has.
    Unknown,
    /// A user without rights.
    Stranger,
    /// A user with exactly the rights that are asked for.
    Exact,
    Root,
}

impl Level {
    /// What a caller hears; nothing when it is let through.
    pub(crate) fn refusal(self, method: &str, caller: Caller) -> Option<&'static str> {
        let is_for_root = self == Self::Root || ["UserGet", "RoleGet"].contains(&method);
        match (self, caller) {
            // Of leases, only root may see those whose keys it alone may read.
            (_, Caller::Exact) if method == "LeaseLeases" => Some(DENIED),
            (Self::Open, _) | (_, Caller::Root) | (Self::Anybody, Caller::Nobody) => None,
            (_, Caller::BadToken) => Some(BAD_TOKEN),
            (_, Caller::Nobody) => Some(USER_EMPTY),
            (_, Caller::Nameless) if is_for_root => Some(USER_EMPTY),
            (_, Caller::Unknown) if is_for_root => Some(UNKNOWN_USER),
            (Self::Root, _) => Some(DENIED),
            (Self::Rights, Caller::Nameless | Caller::Unknown | Caller::Stranger) => Some(DENIED),
            (Self::Anybody | Self::User | Self::Rights, _) => None,
        }
    }
}

/// What callers hear whom the requests are not about.
const UNKNOWN_USER: &str = "etcdserver: user name not found";

/// Whether an error's text is about who asks.
pub(crate) fn is_about_rights(text: &str) -> bool {
    [USER_EMPTY, DENIED, BAD_TOKEN, "unimplemented"].contains(&text) || text.contains("auth")
}

/// What the caller hears about its rights; nothing when it was let through, whatever came of it.
async fn refusal(
    (client, token, caller): &(RawClient, Option<&str>, Caller),
    (service, method): (&str, &str),
    message: Bytes,
) -> Option<String> {
    let answer = client.call(service, method, *token, message).await;
    let text = match answer {
        Ok(answer) if method == "Watch" && service == "etcdserverpb.Watch" => {
            let refused = WatchResponse::decode(answer).unwrap().cancel_reason;
            refused.split_once("desc = ")?.1.to_owned()
        }
        Ok(_) => return None,
        Err(status) if status.code() == tonic::Code::Unimplemented => "unimplemented".to_owned(),
        Err(status) => status.message().to_owned(),
    };
    let is_unknown = *caller == Caller::Unknown && text == UNKNOWN_USER;
    (is_unknown || is_about_rights(&text)).then_some(text)
}

/// All methods; what turns authentication off comes last.
pub(crate) fn methods() -> impl Iterator<Item = &'static proto::Method> {
    let (last, first): (Vec<&proto::Method>, Vec<_>) = proto::METHODS
        .iter()
        .partition(|method| method.name == "AuthDisable");
    first.into_iter().chain(last)
}

/// A method that asks for less than it should is a hole; one that asks for more locks users out.
#[tokio::test]
async fn every_method_for_every_caller() {
    let certified = Certified::new();
    let member = Member::with(|config| certified.open_port(config)).await;
    let world = World::on(member).await;
    let certificate = async |name| certified.client(&world.member, name).await;
    let plain = || world.raw.clone();
    let bad = Some("abcdefghijklmnop.1");
    // Whom somebody shows by a certificate, and by a token.
    let callers = [
        (plain(), None, Caller::Nobody),
        (plain(), bad, Caller::BadToken),
        (plain(), Some(""), Caller::BadToken),
        (certificate("").await, None, Caller::Nameless),
        (certificate("unheard of").await, None, Caller::Unknown),
        (certificate("stranger").await, None, Caller::Stranger),
        (plain(), Some(&*world.stranger), Caller::Stranger),
        // A token comes first, also one that is nobody's.
        (certificate("root").await, bad, Caller::BadToken),
        (
            certificate("root").await,
            Some(&*world.stranger),
            Caller::Stranger,
        ),
        (certificate("exact").await, None, Caller::Exact),
        (plain(), Some(&*world.exact), Caller::Exact),
        (
            certificate("stranger").await,
            Some(&*world.root),
            Caller::Root,
        ),
        (certificate("root").await, None, Caller::Root),
        (plain(), Some(&*world.root), Caller::Root),
    ];
    for method in methods() {
        let at = (method.service, method.name);
        let (level, message) = row(at.0, at.1).unwrap_or_else(|| panic!("{at:?} has no row"));
        for (number, caller) in callers.iter().enumerate() {
            let refused = refusal(caller, at, message.clone()).await;
            let expected = level.refusal(at.1, caller.2);
            let who = caller.2;
            assert_eq!(
                refused.as_deref(),
                expected,
                "{at:?} by {who:?}, caller {number}"
            );
            // Nobody has to show anything once authentication is off.
            if at.1 == "AuthDisable" && refused.is_none() {
                return;
            }
        }
    }
    panic!("authentication was never turned off");
}
