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
        assert_eq!(built.count(), 37);
    }
}
