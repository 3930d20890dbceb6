//! From an encoded request to what it is about. Values, passwords and tokens are never looked at.

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    AlarmRequest, AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGetRequest,
    AuthRoleGrantPermissionRequest, AuthRoleRevokePermissionRequest, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserDeleteRequest, AuthUserGetRequest,
    AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest, AuthenticateRequest, CompactionRequest,
    DeleteRangeRequest, DowngradeRequest, HashKvRequest, LeaseGrantRequest, LeaseKeepAliveRequest,
    LeaseRevokeRequest, LeaseTimeToLiveRequest, MemberAddRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest, MoveLeaderRequest, PutRequest, RangeRequest,
    RequestOp, TxnRequest, WatchRequest,
};
use proto::etcdserverpb::{AlarmType, alarm_request, downgrade_request};
use proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use proto::v3lockpb::{LockRequest, UnlockRequest};

use crate::audit::{Fact, Subject};
use crate::services::call::Known;

/// Transactions within transactions that are looked into; deeper ones are refused anyway.
const DEPTH_MAX: usize = 64;

/// What a request is about; nothing when it cannot be decoded.
pub(super) fn subject(known: Known, request: &Bytes) -> Subject {
    described(known, request.clone()).unwrap_or_default()
}

fn described(known: Known, request: Bytes) -> Result<Subject, prost::DecodeError> {
    Ok(match known {
        Known::Range | Known::RangeStream => {
            let RangeRequest { key, range_end, .. } = RangeRequest::decode(request)?;
            Subject::of("range", key, range_end)
        }
        Known::Put => {
            let PutRequest { key, lease, .. } = PutRequest::decode(request)?;
            Subject::of("put", key, Bytes::new()).with_id("lease", lease)
        }
        Known::DeleteRange => {
            let DeleteRangeRequest { key, range_end, .. } = DeleteRangeRequest::decode(request)?;
            Subject::of("delete", key, range_end)
        }
        Known::Txn => {
            let mut subject = Subject::default();
            txn(&mut subject, TxnRequest::decode(request)?, 0);
            subject
        }
        Known::Compact => {
            let CompactionRequest { revision, physical } = CompactionRequest::decode(request)?;
            Subject::default()
                .with("compact_revision", Fact::Number(revision))
                .with("physical", Fact::Is(physical))
        }
        Known::Watch => watch(WatchRequest::decode(request)?),
        Known::LeaseGrant | Known::LeaseRevoke | Known::LeaseKeepAlive | Known::LeaseTimeToLive => {
            lease(known, request)?
        }
        Known::MemberAdd
        | Known::MemberRemove
        | Known::MemberUpdate
        | Known::MemberPromote
        | Known::MoveLeader => member(known, request)?,
        Known::Alarm => {
            let AlarmRequest {
                action,
                member_id,
                alarm,
            } = AlarmRequest::decode(request)?;
            let action = alarm_request::AlarmAction::try_from(action).unwrap_or_default();
            let alarm = AlarmType::try_from(alarm).unwrap_or_default();
            text("action", action.as_str_name())
                .with("alarm", Fact::Text(alarm.as_str_name().to_owned()))
                .with("member", Fact::Id(member_id))
        }
        Known::HashKv => {
            let HashKvRequest { revision } = HashKvRequest::decode(request)?;
            Subject::default().with("hash_revision", Fact::Number(revision))
        }
        Known::Downgrade => {
            let DowngradeRequest { action, version } = DowngradeRequest::decode(request)?;
            let action = downgrade_request::DowngradeAction::try_from(action).unwrap_or_default();
            text("action", action.as_str_name()).with("version", Fact::Text(version))
        }
        Known::Authenticate
        | Known::UserAdd
        | Known::UserGet
        | Known::UserDelete
        | Known::UserChangePassword
        | Known::UserGrantRole
        | Known::UserRevokeRole => user(known, request)?,
        Known::RoleAdd
        | Known::RoleGet
        | Known::RoleDelete
        | Known::RoleGrantPermission
        | Known::RoleRevokePermission => role(known, request)?,
        Known::Lock
        | Known::Unlock
        | Known::Campaign
        | Known::Proclaim
        | Known::Leader
        | Known::Observe
        | Known::Resign => queue(known, request)?,
        // They name nothing.
        Known::LeaseLeases
        | Known::MemberList
        | Known::Status
        | Known::Defragment
        | Known::Hash
        | Known::Snapshot
        | Known::AuthStatus
        | Known::AuthEnable
        | Known::AuthDisable
        | Known::UserList
        | Known::RoleList
        | Known::HealthCheck
        | Known::HealthList
        | Known::HealthWatch
        | Known::Unbuilt(_) => Subject::default(),
    })
}

fn text(name: &'static str, value: impl Into<String>) -> Subject {
    Subject::default().with(name, Fact::Text(value.into()))
}

fn txn(subject: &mut Subject, request: TxnRequest, depth: usize) {
    for compare in request.compare {
        subject.span("compare", compare.key, compare.range_end);
    }
    for RequestOp { request } in request.success.into_iter().chain(request.failure) {
        match request {
            Some(Request::RequestRange(range)) => subject.span("range", range.key, range.range_end),
            Some(Request::RequestPut(put)) => subject.span("put", put.key, Bytes::new()),
            Some(Request::RequestDeleteRange(delete)) => {
                subject.span("delete", delete.key, delete.range_end);
            }
            Some(Request::RequestTxn(inner)) if depth < DEPTH_MAX => txn(subject, inner, depth + 1),
            Some(Request::RequestTxn(_)) => subject.more += 1,
            None => {}
        }
    }
}

fn watch(request: WatchRequest) -> Subject {
    match request.request_union {
        Some(RequestUnion::CreateRequest(create)) => {
            let subject = Subject::of("watch", create.key, create.range_end);
            match create.start_revision {
                0 => subject,
                from => subject.with("start_revision", Fact::Number(from)),
            }
        }
        Some(RequestUnion::CancelRequest(cancel)) => {
            Subject::default().with("cancel_watch", Fact::Number(cancel.watch_id))
        }
        Some(RequestUnion::ProgressRequest(_)) => {
            Subject::default().with("progress", Fact::Is(true))
        }
        None => Subject::default(),
    }
}

fn lease(known: Known, request: Bytes) -> Result<Subject, prost::DecodeError> {
    let none = Subject::default();
    Ok(match known {
        Known::LeaseGrant => {
            let LeaseGrantRequest { ttl, id } = LeaseGrantRequest::decode(request)?;
            none.with_id("lease", id).with("ttl", Fact::Number(ttl))
        }
        Known::LeaseRevoke => none.with_id("lease", LeaseRevokeRequest::decode(request)?.id),
        Known::LeaseTimeToLive => {
            none.with_id("lease", LeaseTimeToLiveRequest::decode(request)?.id)
        }
        _ => none.with_id("lease", LeaseKeepAliveRequest::decode(request)?.id),
    })
}

fn member(known: Known, request: Bytes) -> Result<Subject, prost::DecodeError> {
    let id = |id| Subject::default().with("member", Fact::Id(id));
    Ok(match known {
        Known::MemberAdd => {
            let MemberAddRequest {
                peer_ur_ls,
                is_learner,
            } = MemberAddRequest::decode(request)?;
            Subject::default()
                .with("peer_urls", Fact::Texts(peer_ur_ls))
                .with("learner", Fact::Is(is_learner))
        }
        Known::MemberRemove => id(MemberRemoveRequest::decode(request)?.id),
        Known::MemberUpdate => {
            let request = MemberUpdateRequest::decode(request)?;
            id(request.id).with("peer_urls", Fact::Texts(request.peer_ur_ls))
        }
        Known::MemberPromote => id(MemberPromoteRequest::decode(request)?.id),
        _ => id(MoveLeaderRequest::decode(request)?.target_id),
    })
}

fn user(known: Known, request: Bytes) -> Result<Subject, prost::DecodeError> {
    let named = |name: String| text("of_user", name);
    Ok(match known {
        Known::Authenticate => named(AuthenticateRequest::decode(request)?.name),
        Known::UserAdd => named(AuthUserAddRequest::decode(request)?.name),
        Known::UserGet => named(AuthUserGetRequest::decode(request)?.name),
        Known::UserDelete => named(AuthUserDeleteRequest::decode(request)?.name),
        Known::UserChangePassword => named(AuthUserChangePasswordRequest::decode(request)?.name),
        Known::UserGrantRole => {
            let AuthUserGrantRoleRequest { user, role } =
                AuthUserGrantRoleRequest::decode(request)?;
            named(user).with("role", Fact::Text(role))
        }
        _ => {
            let AuthUserRevokeRoleRequest { name, role } =
                AuthUserRevokeRoleRequest::decode(request)?;
            named(name).with("role", Fact::Text(role))
        }
    })
}

fn role(known: Known, request: Bytes) -> Result<Subject, prost::DecodeError> {
    Ok(match known {
        Known::RoleAdd => text("role", AuthRoleAddRequest::decode(request)?.name),
        Known::RoleGet => text("role", AuthRoleGetRequest::decode(request)?.role),
        Known::RoleDelete => text("role", AuthRoleDeleteRequest::decode(request)?.role),
        Known::RoleGrantPermission => {
            let request = AuthRoleGrantPermissionRequest::decode(request)?;
            let permission = request.perm.unwrap_or_default();
            let mut subject = text("role", request.name).with(
                "permission",
                Fact::Text(permission.perm_type().as_str_name().to_owned()),
            );
            subject.span("grant", permission.key, permission.range_end);
            subject
        }
        _ => {
            let request = AuthRoleRevokePermissionRequest::decode(request)?;
            let mut subject = text("role", request.role);
            subject.span("revoke", request.key, request.range_end);
            subject
        }
    })
}

/// Keys of queues; what is proclaimed in them is a value.
fn queue(known: Known, request: Bytes) -> Result<Subject, prost::DecodeError> {
    let one = |op, key| Subject::of(op, key, Bytes::new());
    let leader = |op, leader: Option<LeaderKey>| {
        let LeaderKey { key, lease, .. } = leader.unwrap_or_default();
        one(op, key).with_id("lease", lease)
    };
    Ok(match known {
        Known::Lock => {
            let LockRequest { name, lease } = LockRequest::decode(request)?;
            one("lock", name).with_id("lease", lease)
        }
        Known::Unlock => one("unlock", UnlockRequest::decode(request)?.key),
        Known::Campaign => {
            let CampaignRequest { name, lease, .. } = CampaignRequest::decode(request)?;
            one("campaign", name).with_id("lease", lease)
        }
        Known::Proclaim => leader("proclaim", ProclaimRequest::decode(request)?.leader),
        Known::Leader => one("leader", LeaderRequest::decode(request)?.name),
        Known::Observe => one("observe", LeaderRequest::decode(request)?.name),
        _ => leader("resign", ResignRequest::decode(request)?.leader),
    })
}
