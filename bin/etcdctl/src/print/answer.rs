//! What commands print.

use std::time::Duration;

use proto::etcdserverpb as pb;

/// Which parts of a pair the simple format shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shown {
    #[default]
    Both,
    Value,
}

/// An answer of one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Endpoint<T> {
    pub(crate) endpoint: String,
    pub(crate) answer: T,
}

/// How one endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) endpoint: String,
    pub(crate) took: Duration,
    /// Why it is not healthy; empty when it is.
    pub(crate) error: String,
}

/// The part of a downgrade that an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DowngradeStep {
    Validate,
    Enable,
    Cancel,
}

/// One answer of the cluster, with what else its text needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Range(pb::RangeResponse, Shown),
    Put(pb::PutResponse),
    Delete(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Watch(pb::WatchResponse),

    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(i64, pb::LeaseRevokeResponse),
    /// With whether the keys were asked for.
    LeaseTimeToLive(pb::LeaseTimeToLiveResponse, bool),
    LeaseList(pb::LeaseLeasesResponse),
    LeaseKeepAlive(pb::LeaseKeepAliveResponse),

    /// With the lines that a new member's environment needs.
    MemberAdd(pb::MemberAddResponse, String),
    MemberRemove(u64, pb::MemberRemoveResponse),
    MemberUpdate(u64, pb::MemberUpdateResponse),
    MemberPromote(u64, pb::MemberPromoteResponse),
    MemberList(pb::MemberListResponse),

    Health(Vec<Health>),
    Status(Vec<Endpoint<pb::StatusResponse>>),
    HashKv(Vec<Endpoint<pb::HashKvResponse>>),
    /// From whom, to whom.
    MoveLeader(u64, u64, pb::MoveLeaderResponse),
    Alarms(pb::AlarmResponse),
    Downgrade(DowngradeStep, pb::DowngradeResponse),

    AuthStatus(pb::AuthStatusResponse),
    UserAdd(String, pb::AuthUserAddResponse),
    UserDelete(String, pb::AuthUserDeleteResponse),
    UserGet(String, pb::AuthUserGetResponse),
    UserList(pb::AuthUserListResponse),
    UserPassword(pb::AuthUserChangePasswordResponse),
    /// The user, then the role.
    UserGrantRole(String, String, pb::AuthUserGrantRoleResponse),
    /// The user, then the role.
    UserRevokeRole(String, String, pb::AuthUserRevokeRoleResponse),
    RoleAdd(String, pb::AuthRoleAddResponse),
    RoleDelete(String, pb::AuthRoleDeleteResponse),
    RoleGet(String, pb::AuthRoleGetResponse),
    RoleList(pb::AuthRoleListResponse),
    RoleGrantPermission(String, pb::AuthRoleGrantPermissionResponse),
    /// The role, and the text for the range.
    RoleRevokePermission(String, String, pb::AuthRoleRevokePermissionResponse),
}

impl Answer {
    /// The header of an answer that has nothing else; `None` for all others.
    pub(crate) fn plain_header(&self) -> Option<Option<&pb::ResponseHeader>> {
        Some(match self {
            Self::UserAdd(_, answer) => answer.header.as_ref(),
            Self::UserDelete(_, answer) => answer.header.as_ref(),
            Self::UserPassword(answer) => answer.header.as_ref(),
            Self::UserGrantRole(_, _, answer) => answer.header.as_ref(),
            Self::UserRevokeRole(_, _, answer) => answer.header.as_ref(),
            Self::RoleAdd(_, answer) => answer.header.as_ref(),
            Self::RoleDelete(_, answer) => answer.header.as_ref(),
            Self::RoleGrantPermission(_, answer) => answer.header.as_ref(),
            Self::RoleRevokePermission(_, _, answer) => answer.header.as_ref(),
            Self::LeaseRevoke(_, answer) => answer.header.as_ref(),
            _ => return None,
        })
    }
}
