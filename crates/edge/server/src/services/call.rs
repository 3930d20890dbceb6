//! The methods that are built, found by name once per thread.

use proto::Method;

/// A method of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Range,
    RangeStream,
    Put,
    DeleteRange,
    Txn,
    Compact,
    Watch,
    LeaseGrant,
    LeaseRevoke,
    LeaseKeepAlive,
    LeaseTimeToLive,
    LeaseLeases,
    MemberAdd,
    MemberRemove,
    MemberUpdate,
    MemberPromote,
    MemberList,
    Alarm,
    Status,
    Defragment,
    Hash,
    HashKv,
    Snapshot,
    MoveLeader,
    Downgrade,
    AuthStatus,
    Authenticate,
    AuthEnable,
    AuthDisable,
    UserAdd,
    UserGet,
    UserList,
    UserDelete,
    UserChangePassword,
    UserGrantRole,
    UserRevokeRole,
    RoleAdd,
    RoleGet,
    RoleList,
    RoleDelete,
    RoleGrantPermission,
    RoleRevokePermission,
    HealthCheck,
    HealthList,
    HealthWatch,
    Lock,
    Unlock,
    Campaign,
    Proclaim,
    Leader,
    Observe,
    Resign,
    /// Registered, but not built.
    Unbuilt(&'static Method),
}

impl Known {
    /// What the server has for a method.
    pub(crate) fn of(method: &'static Method) -> Self {
        match (method.service, method.name) {
            ("etcdserverpb.KV", "Range") => Self::Range,
            ("etcdserverpb.KV", "RangeStream") => Self::RangeStream,
            ("etcdserverpb.KV", "Put") => Self::Put,
            ("etcdserverpb.KV", "DeleteRange") => Self::DeleteRange,
            ("etcdserverpb.KV", "Txn") => Self::Txn,
            ("etcdserverpb.KV", "Compact") => Self::Compact,
            ("etcdserverpb.Watch", "Watch") => Self::Watch,
            ("etcdserverpb.Lease", "LeaseGrant") => Self::LeaseGrant,
            ("etcdserverpb.Lease", "LeaseRevoke") => Self::LeaseRevoke,
            ("etcdserverpb.Lease", "LeaseKeepAlive") => Self::LeaseKeepAlive,
            ("etcdserverpb.Lease", "LeaseTimeToLive") => Self::LeaseTimeToLive,
            ("etcdserverpb.Lease", "LeaseLeases") => Self::LeaseLeases,
            ("etcdserverpb.Cluster", "MemberAdd") => Self::MemberAdd,
            ("etcdserverpb.Cluster", "MemberRemove") => Self::MemberRemove,
            ("etcdserverpb.Cluster", "MemberUpdate") => Self::MemberUpdate,
            ("etcdserverpb.Cluster", "MemberPromote") => Self::MemberPromote,
            ("etcdserverpb.Cluster", "MemberList") => Self::MemberList,
            ("etcdserverpb.Maintenance", "Alarm") => Self::Alarm,
            ("etcdserverpb.Maintenance", "Status") => Self::Status,
            ("etcdserverpb.Maintenance", "Defragment") => Self::Defragment,
            ("etcdserverpb.Maintenance", "Hash") => Self::Hash,
            ("etcdserverpb.Maintenance", "HashKV") => Self::HashKv,
            ("etcdserverpb.Maintenance", "Snapshot") => Self::Snapshot,
            ("etcdserverpb.Maintenance", "MoveLeader") => Self::MoveLeader,
            ("etcdserverpb.Maintenance", "Downgrade") => Self::Downgrade,
            ("etcdserverpb.Auth", "AuthStatus") => Self::AuthStatus,
            ("etcdserverpb.Auth", "Authenticate") => Self::Authenticate,
            ("etcdserverpb.Auth", "AuthEnable") => Self::AuthEnable,
            ("etcdserverpb.Auth", "AuthDisable") => Self::AuthDisable,
            ("etcdserverpb.Auth", "UserAdd") => Self::UserAdd,
            ("etcdserverpb.Auth", "UserGet") => Self::UserGet,
            ("etcdserverpb.Auth", "UserList") => Self::UserList,
            ("etcdserverpb.Auth", "UserDelete") => Self::UserDelete,
            ("etcdserverpb.Auth", "UserChangePassword") => Self::UserChangePassword,
            ("etcdserverpb.Auth", "UserGrantRole") => Self::UserGrantRole,
            ("etcdserverpb.Auth", "UserRevokeRole") => Self::UserRevokeRole,
            ("etcdserverpb.Auth", "RoleAdd") => Self::RoleAdd,
            ("etcdserverpb.Auth", "RoleGet") => Self::RoleGet,
            ("etcdserverpb.Auth", "RoleList") => Self::RoleList,
            ("etcdserverpb.Auth", "RoleDelete") => Self::RoleDelete,
            ("etcdserverpb.Auth", "RoleGrantPermission") => Self::RoleGrantPermission,
            ("etcdserverpb.Auth", "RoleRevokePermission") => Self::RoleRevokePermission,
            ("grpc.health.v1.Health", "Check") => Self::HealthCheck,
            ("grpc.health.v1.Health", "List") => Self::HealthList,
            ("grpc.health.v1.Health", "Watch") => Self::HealthWatch,
            ("v3lockpb.Lock", "Lock") => Self::Lock,
            ("v3lockpb.Lock", "Unlock") => Self::Unlock,
            ("v3electionpb.Election", "Campaign") => Self::Campaign,
            ("v3electionpb.Election", "Proclaim") => Self::Proclaim,
            ("v3electionpb.Election", "Leader") => Self::Leader,
            ("v3electionpb.Election", "Observe") => Self::Observe,
            ("v3electionpb.Election", "Resign") => Self::Resign,
            _ => Self::Unbuilt(method),
        }
    }

    /// What a caller has to show. There is no default: whoever adds a method has to say it.
    pub(crate) fn needs(self) -> Needs {
        match self {
            Self::Authenticate
            | Self::HealthCheck
            | Self::HealthList
            | Self::HealthWatch
            | Self::Unbuilt(_) => Needs::Nothing,
            // Made of other methods' calls, each with its own needs.
            Self::Lock
            | Self::Unlock
            | Self::Campaign
            | Self::Proclaim
            | Self::Leader
            | Self::Observe
            | Self::Resign => Needs::Identity,
            Self::Range
            | Self::RangeStream
            | Self::Put
            | Self::DeleteRange
            | Self::Txn
            | Self::Watch
            | Self::LeaseKeepAlive
            | Self::LeaseLeases
            | Self::Alarm
            | Self::AuthStatus
            | Self::UserGet
            | Self::RoleGet => Needs::Identity,
            Self::LeaseGrant
            | Self::LeaseRevoke
            | Self::LeaseTimeToLive
            | Self::MemberList
            | Self::Status => Needs::User,
            Self::Compact
            | Self::Defragment
            | Self::Hash
            | Self::HashKv
            | Self::Snapshot
            | Self::MoveLeader
            | Self::Downgrade
            | Self::MemberAdd
            | Self::MemberRemove
            | Self::MemberUpdate
            | Self::MemberPromote
            | Self::UserList
            | Self::RoleList => Needs::Root,
            Self::AuthEnable
            | Self::AuthDisable
            | Self::UserAdd
            | Self::UserDelete
            | Self::UserChangePassword
            | Self::UserGrantRole
            | Self::UserRevokeRole
            | Self::RoleAdd
            | Self::RoleDelete
            | Self::RoleGrantPermission
            | Self::RoleRevokePermission => Needs::RootInLog,
        }
    }
}

/// What a caller has to show before its request is looked at, while authentication is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Not even a token is looked at.
    Nothing,
    /// A token must be valid; the request says what else is needed.
    Identity,
    /// Any user.
    User,
    /// The role `root`.
    Root,
    /// The role `root`, which is asked for again when the request is applied.
    RootInLog,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A misspelt name would silently take a method away from all clients.
    #[test]
    fn all_built_methods_are_found() {
        let built = proto::METHODS
            .iter()
            .filter(|m| !matches!(Known::of(m), Known::Unbuilt(_)));
        assert_eq!(built.count(), proto::METHODS.len());
    }
}
