//! Every unary call and server stream of the API, one line each.

use proto::{etcdserverpb as pb, v3electionpb, v3lockpb};

use crate::call::{Client, ResponseStream, Rpc};
use crate::error::ClientError;

/// Marks calls that only read.
const READS: bool = true;
/// Marks calls that change something.
const WRITES: bool = false;

macro_rules! calls {
    ($paths:ident, $package:ident, $prefix:literal: $($(#[$doc:meta])* $name:ident($request:ident) -> $answer:ident, $path:literal, $repeatable:ident;)*) => {
        impl Client {
            $($(#[$doc])*
            pub async fn $name(&self, request: $package::$request) -> Result<$package::$answer, ClientError> {
                let rpc = Rpc {
                    path: concat!($prefix, $path),
                    repeatable: $repeatable,
                };
                self.unary(rpc, request).await
            })*
        }

        #[cfg(test)]
        const $paths: &[&str] = &[$(concat!($prefix, $path)),*];
    };
}

calls! { PATHS, pb, "/etcdserverpb.":
    /// Reads a range of keys.
    range(RangeRequest) -> RangeResponse, "KV/Range", READS;
    /// Writes one key.
    put(PutRequest) -> PutResponse, "KV/Put", WRITES;
    /// Deletes a range of keys.
    delete_range(DeleteRangeRequest) -> DeleteRangeResponse, "KV/DeleteRange", WRITES;
    /// Applies one of two lists of operations.
    txn(TxnRequest) -> TxnResponse, "KV/Txn", WRITES;
    /// Forgets the history before a revision.
    compact(CompactionRequest) -> CompactionResponse, "KV/Compact", WRITES;

    /// Creates a lease.
    lease_grant(LeaseGrantRequest) -> LeaseGrantResponse, "Lease/LeaseGrant", WRITES;
    /// Ends a lease and deletes its keys.
    lease_revoke(LeaseRevokeRequest) -> LeaseRevokeResponse, "Lease/LeaseRevoke", WRITES;
    /// Tells how long a lease lives, and which keys it holds.
    lease_time_to_live(LeaseTimeToLiveRequest) -> LeaseTimeToLiveResponse, "Lease/LeaseTimeToLive", READS;
    /// Lists the leases.
    lease_leases(LeaseLeasesRequest) -> LeaseLeasesResponse, "Lease/LeaseLeases", READS;

    /// Adds a member.
    member_add(MemberAddRequest) -> MemberAddResponse, "Cluster/MemberAdd", WRITES;
    /// Removes a member.
    member_remove(MemberRemoveRequest) -> MemberRemoveResponse, "Cluster/MemberRemove", WRITES;
    /// Changes a member's peer addresses.
    member_update(MemberUpdateRequest) -> MemberUpdateResponse, "Cluster/MemberUpdate", WRITES;
    /// Lists the members.
    member_list(MemberListRequest) -> MemberListResponse, "Cluster/MemberList", READS;
    /// Makes a learner a voter.
    member_promote(MemberPromoteRequest) -> MemberPromoteResponse, "Cluster/MemberPromote", WRITES;

    /// Lists, raises or clears alarms.
    alarm(AlarmRequest) -> AlarmResponse, "Maintenance/Alarm", WRITES;
    /// Tells the state of one member.
    status(StatusRequest) -> StatusResponse, "Maintenance/Status", READS;
    /// Gives free space of one member back.
    defragment(DefragmentRequest) -> DefragmentResponse, "Maintenance/Defragment", WRITES;
    /// Hashes one member's whole store.
    hash(HashRequest) -> HashResponse, "Maintenance/Hash", READS;
    /// Hashes one member's keys up to a revision.
    hash_kv(HashKvRequest) -> HashKvResponse, "Maintenance/HashKV", READS;
    /// Makes another member the leader.
    move_leader(MoveLeaderRequest) -> MoveLeaderResponse, "Maintenance/MoveLeader", WRITES;
    /// Checks, starts or ends a downgrade.
    downgrade(DowngradeRequest) -> DowngradeResponse, "Maintenance/Downgrade", WRITES;

    /// Turns authentication on.
    auth_enable(AuthEnableRequest) -> AuthEnableResponse, "Auth/AuthEnable", WRITES;
    /// Turns authentication off.
    auth_disable(AuthDisableRequest) -> AuthDisableResponse, "Auth/AuthDisable", WRITES;
    /// Tells whether authentication is on.
    auth_status(AuthStatusRequest) -> AuthStatusResponse, "Auth/AuthStatus", READS;
    /// Creates a user.
    user_add(AuthUserAddRequest) -> AuthUserAddResponse, "Auth/UserAdd", WRITES;
    /// Tells a user's roles.
    user_get(AuthUserGetRequest) -> AuthUserGetResponse, "Auth/UserGet", READS;
    /// Lists the users.
    user_list(AuthUserListRequest) -> AuthUserListResponse, "Auth/UserList", READS;
    /// Deletes a user.
    user_delete(AuthUserDeleteRequest) -> AuthUserDeleteResponse, "Auth/UserDelete", WRITES;
    /// Sets a user's password.
    user_change_password(AuthUserChangePasswordRequest) -> AuthUserChangePasswordResponse, "Auth/UserChangePassword", WRITES;
    /// Gives a role to a user.
    user_grant_role(AuthUserGrantRoleRequest) -> AuthUserGrantRoleResponse, "Auth/UserGrantRole", WRITES;
    /// Takes a role from a user.
    user_revoke_role(AuthUserRevokeRoleRequest) -> AuthUserRevokeRoleResponse, "Auth/UserRevokeRole", WRITES;
    /// Creates a role.
    role_add(AuthRoleAddRequest) -> AuthRoleAddResponse, "Auth/RoleAdd", WRITES;
    /// Tells a role's permissions.
    role_get(AuthRoleGetRequest) -> AuthRoleGetResponse, "Auth/RoleGet", READS;
    /// Lists the roles.
    role_list(AuthRoleListRequest) -> AuthRoleListResponse, "Auth/RoleList", READS;
    /// Deletes a role.
    role_delete(AuthRoleDeleteRequest) -> AuthRoleDeleteResponse, "Auth/RoleDelete", WRITES;
    /// Gives a permission to a role.
    role_grant_permission(AuthRoleGrantPermissionRequest) -> AuthRoleGrantPermissionResponse, "Auth/RoleGrantPermission", WRITES;
    /// Takes a permission from a role.
    role_revoke_permission(AuthRoleRevokePermissionRequest) -> AuthRoleRevokePermissionResponse, "Auth/RoleRevokePermission", WRITES;
}

calls! { LOCK_PATHS, v3lockpb, "/v3lockpb.":
    /// Waits for a lock, which the server keeps as a queue of keys.
    lock(LockRequest) -> LockResponse, "Lock/Lock", WRITES;
    /// Gives a lock back.
    unlock(UnlockRequest) -> UnlockResponse, "Lock/Unlock", WRITES;
}

calls! { ELECTION_PATHS, v3electionpb, "/v3electionpb.":
    /// Stands as a candidate and waits to be elected.
    campaign(CampaignRequest) -> CampaignResponse, "Election/Campaign", WRITES;
    /// Changes the leader's value.
    proclaim(ProclaimRequest) -> ProclaimResponse, "Election/Proclaim", WRITES;
    /// Tells who leads.
    leader(LeaderRequest) -> LeaderResponse, "Election/Leader", READS;
    /// Gives the leadership up.
    resign(ResignRequest) -> ResignResponse, "Election/Resign", WRITES;
}

impl Client {
    /// Follows an election: the leader of now, then every new leader and every new value.
    pub async fn observe(
        &self,
        request: v3electionpb::LeaderRequest,
    ) -> Result<ResponseStream<v3electionpb::LeaderResponse>, ClientError> {
        let path = "/v3electionpb.Election/Observe";
        let repeatable = READS;
        self.server_stream(Rpc { path, repeatable }, request).await
    }

    /// Reads a range of keys in chunks; the chunks merged are what [`Client::range`] answers.
    pub async fn range_stream(
        &self,
        request: pb::RangeRequest,
    ) -> Result<ResponseStream<pb::RangeStreamResponse>, ClientError> {
        let path = "/etcdserverpb.KV/RangeStream";
        let repeatable = READS;
        self.server_stream(Rpc { path, repeatable }, request).await
    }

    /// Downloads one member's store.
    pub async fn snapshot(&self) -> Result<ResponseStream<pb::SnapshotResponse>, ClientError> {
        let path = "/etcdserverpb.Maintenance/Snapshot";
        let repeatable = READS;
        let request = pb::SnapshotRequest {};
        self.server_stream(Rpc { path, repeatable }, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A misspelt path would only show as an unknown method in the field.
    #[test]
    fn every_path_is_a_unary_method_of_the_api() {
        for path in PATHS.iter().chain(LOCK_PATHS).chain(ELECTION_PATHS) {
            let known = proto::METHODS.iter().any(|method| {
                !method.client_streaming
                    && !method.server_streaming
                    && *path == format!("/{}/{}", method.service, method.name)
            });
            assert!(known, "{path}");
        }
    }
}
