//! What becomes of each method of the API.

use std::sync::LazyLock;

use proto::Method;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Range,
    RangeStream,
    Put,
    DeleteRange,
    Txn,
    Compact,
    Watch,
    LeaseKeepAlive,
    LeaseTimeToLive,
    MemberList,
    AuthEnable,
    Lock,
    Unlock,
    Campaign,
    Proclaim,
    Leader,
    Observe,
    Resign,
    /// It goes on as it is.
    Relayed {
        /// Whether another member may be asked when one is unavailable.
        repeatable: bool,
    },
}

/// A method, its path and what becomes of it.
pub(super) struct Routed {
    pub(super) path: String,
    pub(super) route: Route,
}

/// All methods, in the order of their table.
pub(super) fn routes() -> &'static [Routed] {
    static ROUTES: LazyLock<Vec<Routed>> =
        LazyLock::new(|| proto::METHODS.iter().map(routed).collect());
    &ROUTES
}

fn routed(method: &'static Method) -> Routed {
    Routed {
        path: format!("/{}/{}", method.service, method.name),
        route: route(method),
    }
}

fn route(method: &Method) -> Route {
    let service = method.service.rsplit('.').next().unwrap_or_default();
    match (service, method.name) {
        ("KV", "Range") => Route::Range,
        ("KV", "RangeStream") => Route::RangeStream,
        ("KV", "Put") => Route::Put,
        ("KV", "DeleteRange") => Route::DeleteRange,
        ("KV", "Txn") => Route::Txn,
        ("KV", "Compact") => Route::Compact,
        ("Watch", "Watch") => Route::Watch,
        ("Lease", "LeaseKeepAlive") => Route::LeaseKeepAlive,
        ("Lease", "LeaseTimeToLive") => Route::LeaseTimeToLive,
        ("Cluster", "MemberList") => Route::MemberList,
        ("Auth", "AuthEnable") => Route::AuthEnable,
        ("Lock", "Lock") => Route::Lock,
        ("Lock", "Unlock") => Route::Unlock,
        ("Election", "Campaign") => Route::Campaign,
        ("Election", "Proclaim") => Route::Proclaim,
        ("Election", "Leader") => Route::Leader,
        ("Election", "Observe") => Route::Observe,
        ("Election", "Resign") => Route::Resign,
        (_, name) => Route::Relayed {
            repeatable: REPEATABLE.contains(&name),
        },
    }
}

/// Calls that change nothing.
const REPEATABLE: [&str; 12] = [
    "LeaseLeases",
    "Status",
    "Hash",
    "HashKV",
    "AuthStatus",
    "Authenticate",
    "UserGet",
    "UserList",
    "RoleGet",
    "RoleList",
    "Check",
    "List",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A write that is sent twice is applied twice; and a method that names keys must not pass by
    /// the namespace.
    #[test]
    fn what_goes_on_as_it_is() {
        let relayed: Vec<&str> = proto::METHODS
            .iter()
            .filter(|method| matches!(route(method), Route::Relayed { repeatable: false }))
            .map(|method| method.name)
            .collect();
        let all = "AuthDisable UserAdd UserDelete UserChangePassword UserGrantRole UserRevokeRole RoleAdd \
                   RoleDelete RoleGrantPermission RoleRevokePermission MemberAdd MemberRemove MemberUpdate \
                   MemberPromote LeaseGrant LeaseRevoke Alarm Defragment Snapshot MoveLeader Downgrade Watch";
        for name in &relayed {
            assert!(all.split_whitespace().any(|known| known == *name), "{name}");
        }
        let keyed = ["KV", "Watch", "Lock", "Election"];
        for method in &proto::METHODS {
            let service = method.service.rsplit('.').next().unwrap();
            let is_relayed = matches!(route(method), Route::Relayed { .. });
            assert!(!(is_relayed && keyed.contains(&service)), "{}", method.name);
        }
    }
}
