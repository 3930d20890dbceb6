//! From a path to a method.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use proto::METHODS;
use proto::descriptor::{Message, SIGNATURES};

/// Service, method and path of everything that the gateway offers. `RangeStream` and the health service
/// are for gRPC alone.
const PATHS: [(&str, &str, &str); 51] = [
    ("etcdserverpb.KV", "Range", "/v3/kv/range"),
    ("etcdserverpb.KV", "Put", "/v3/kv/put"),
    ("etcdserverpb.KV", "DeleteRange", "/v3/kv/deleterange"),
    ("etcdserverpb.KV", "Txn", "/v3/kv/txn"),
    ("etcdserverpb.KV", "Compact", "/v3/kv/compaction"),
    ("etcdserverpb.Watch", "Watch", "/v3/watch"),
    ("etcdserverpb.Lease", "LeaseGrant", "/v3/lease/grant"),
    ("etcdserverpb.Lease", "LeaseRevoke", "/v3/lease/revoke"),
    ("etcdserverpb.Lease", "LeaseRevoke", "/v3/kv/lease/revoke"),
    (
        "etcdserverpb.Lease",
        "LeaseKeepAlive",
        "/v3/lease/keepalive",
    ),
    (
        "etcdserverpb.Lease",
        "LeaseTimeToLive",
        "/v3/lease/timetolive",
    ),
    (
        "etcdserverpb.Lease",
        "LeaseTimeToLive",
        "/v3/kv/lease/timetolive",
    ),
    ("etcdserverpb.Lease", "LeaseLeases", "/v3/lease/leases"),
    ("etcdserverpb.Lease", "LeaseLeases", "/v3/kv/lease/leases"),
    (
        "etcdserverpb.Cluster",
        "MemberAdd",
        "/v3/cluster/member/add",
    ),
    (
        "etcdserverpb.Cluster",
        "MemberRemove",
        "/v3/cluster/member/remove",
    ),
    (
        "etcdserverpb.Cluster",
        "MemberUpdate",
        "/v3/cluster/member/update",
    ),
    (
        "etcdserverpb.Cluster",
        "MemberList",
        "/v3/cluster/member/list",
    ),
    (
        "etcdserverpb.Cluster",
        "MemberPromote",
        "/v3/cluster/member/promote",
    ),
    ("etcdserverpb.Maintenance", "Alarm", "/v3/maintenance/alarm"),
    (
        "etcdserverpb.Maintenance",
        "Status",
        "/v3/maintenance/status",
    ),
    (
        "etcdserverpb.Maintenance",
        "Defragment",
        "/v3/maintenance/defragment",
    ),
    ("etcdserverpb.Maintenance", "Hash", "/v3/maintenance/hash"),
    (
        "etcdserverpb.Maintenance",
        "HashKV",
        "/v3/maintenance/hashkv",
    ),
    (
        "etcdserverpb.Maintenance",
        "Snapshot",
        "/v3/maintenance/snapshot",
    ),
    (
        "etcdserverpb.Maintenance",
        "MoveLeader",
        "/v3/maintenance/transfer-leadership",
    ),
    (
        "etcdserverpb.Maintenance",
        "Downgrade",
        "/v3/maintenance/downgrade",
    ),
    ("etcdserverpb.Auth", "AuthEnable", "/v3/auth/enable"),
    ("etcdserverpb.Auth", "AuthDisable", "/v3/auth/disable"),
    ("etcdserverpb.Auth", "AuthStatus", "/v3/auth/status"),
    ("etcdserverpb.Auth", "Authenticate", "/v3/auth/authenticate"),
    ("etcdserverpb.Auth", "UserAdd", "/v3/auth/user/add"),
    ("etcdserverpb.Auth", "UserGet", "/v3/auth/user/get"),
    ("etcdserverpb.Auth", "UserList", "/v3/auth/user/list"),
    ("etcdserverpb.Auth", "UserDelete", "/v3/auth/user/delete"),
    (
        "etcdserverpb.Auth",
        "UserChangePassword",
        "/v3/auth/user/changepw",
    ),
    ("etcdserverpb.Auth", "UserGrantRole", "/v3/auth/user/grant"),
    (
        "etcdserverpb.Auth",
        "UserRevokeRole",
        "/v3/auth/user/revoke",
    ),
    ("etcdserverpb.Auth", "RoleAdd", "/v3/auth/role/add"),
    ("etcdserverpb.Auth", "RoleGet", "/v3/auth/role/get"),
    ("etcdserverpb.Auth", "RoleList", "/v3/auth/role/list"),
    ("etcdserverpb.Auth", "RoleDelete", "/v3/auth/role/delete"),
    (
        "etcdserverpb.Auth",
        "RoleGrantPermission",
        "/v3/auth/role/grant",
    ),
    (
        "etcdserverpb.Auth",
        "RoleRevokePermission",
        "/v3/auth/role/revoke",
    ),
    ("v3lockpb.Lock", "Lock", "/v3/lock/lock"),
    ("v3lockpb.Lock", "Unlock", "/v3/lock/unlock"),
    ("v3electionpb.Election", "Campaign", "/v3/election/campaign"),
    ("v3electionpb.Election", "Proclaim", "/v3/election/proclaim"),
    ("v3electionpb.Election", "Leader", "/v3/election/leader"),
    ("v3electionpb.Election", "Observe", "/v3/election/observe"),
    ("v3electionpb.Election", "Resign", "/v3/election/resign"),
];

/// A path and what it calls.
#[derive(Debug)]
pub struct Route {
    /// The path.
    pub path: &'static str,
    /// The service, with its package.
    pub service: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path of the call: `/etcdserverpb.KV/Range`.
    pub rpc: String,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server answers with a stream.
    pub server_streaming: bool,
    /// What a request is.
    pub request: &'static Message,
    /// What an answer is.
    pub answer: &'static Message,
}

/// All paths.
#[derive(Debug)]
pub struct Routes(HashMap<&'static str, &'static Route, FixedState>);

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// The table by path; the routes themselves are made once.
    #[must_use]
    pub fn new() -> Self {
        Self(all().iter().map(|route| (route.path, route)).collect())
    }

    /// What a path calls.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&'static Route> {
        self.0.get(path).copied()
    }

    /// All of them, in the order of the services.
    pub fn all() -> impl Iterator<Item = &'static Route> {
        all().iter()
    }
}

/// The routes in the order of the services.
pub(crate) fn all() -> &'static [Route] {
    static ROUTES: std::sync::LazyLock<Vec<Route>> = std::sync::LazyLock::new(|| {
        let methods = || METHODS.iter().zip(&SIGNATURES);
        let route = |(service, method, path)| {
            let (described, signature) = methods()
                .find(|(m, _)| (m.service, m.name) == (service, method))
                .expect("a test finds every path's method");
            Route {
                path,
                service,
                method,
                rpc: format!("/{service}/{method}"),
                client_streaming: described.client_streaming,
                server_streaming: described.server_streaming,
                request: signature.request,
                answer: signature.answer,
            }
        };
        PATHS.into_iter().map(route).collect()
    });
    &ROUTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new method without a path would be missing for everybody who speaks JSON.
    #[test]
    fn every_method_has_a_path() {
        assert_eq!(all().len(), PATHS.len());
        for method in &METHODS {
            let is_offered = all()
                .iter()
                .any(|route| (route.service, route.method) == (method.service, method.name));
            let is_for_grpc_alone =
                method.name == "RangeStream" || method.service == "grpc.health.v1.Health";
            assert_eq!(is_offered, !is_for_grpc_alone, "{method:?}");
        }
        let route = Routes::new().find("/v3/kv/lease/timetolive").unwrap();
        assert_eq!(route.request.name, "etcdserverpb.LeaseTimeToLiveRequest");
        assert_eq!(route.answer.name, "etcdserverpb.LeaseTimeToLiveResponse");
    }
}
