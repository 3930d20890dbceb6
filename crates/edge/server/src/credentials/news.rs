//! What is told of users and roles as they change: the lines that operators look for, without a secret.

use prost::Message as _;
use proto::authpb::permission::Type;
use proto::etcdserverpb::InternalRaftRequest;
use types::Entry;

/// Tells what an entry has changed.
pub(crate) fn tell(entry: &Entry) {
    let Ok(request) = InternalRaftRequest::decode(&entry.data[..]) else {
        return;
    };
    if request.auth_enable.is_some() {
        tracing::info!("enabled authentication");
    } else if request.auth_disable.is_some() {
        tracing::info!("disabled authentication");
    } else {
        of_user(&request);
        of_role(&request);
    }
}

fn of_user(request: &InternalRaftRequest) {
    if let Some(add) = &request.auth_user_add {
        tracing::info!("user-name" = add.name, "added a user");
    } else if let Some(delete) = &request.auth_user_delete {
        tracing::info!("user-name" = delete.name, "deleted a user");
    } else if let Some(change) = &request.auth_user_change_password {
        tracing::info!("user-name" = change.name, "changed a password of a user");
    } else if let Some(grant) = &request.auth_user_grant_role {
        tracing::info!(
            "user-name" = grant.user,
            "added-role-name" = grant.role,
            "granted a role to a user"
        );
    } else if let Some(revoke) = &request.auth_user_revoke_role {
        tracing::info!(
            "user-name" = revoke.name,
            "revoked-role-name" = revoke.role,
            "revoked a role from a user"
        );
    }
}

fn of_role(request: &InternalRaftRequest) {
    if let Some(add) = &request.auth_role_add {
        tracing::info!("role-name" = add.name, "created a role");
    } else if let Some(delete) = &request.auth_role_delete {
        tracing::info!("role-name" = delete.role, "deleted a role");
    } else if let Some(grant) = &request.auth_role_grant_permission {
        let of = grant.perm.as_ref();
        let kind = of.and_then(|of| Type::try_from(of.perm_type).ok());
        // The words speak of a user, and etcd puts the role under its name too.
        tracing::info!(
            "user-name" = grant.name,
            "permission-name" = kind.map(|kind| kind.as_str_name()),
            key = of.map(|of| shown(&of.key)),
            "range-end" = of.map(|of| shown(&of.range_end)),
            "granted/updated a permission to a user"
        );
    } else if let Some(revoke) = &request.auth_role_revoke_permission {
        tracing::info!(
            "role-name" = revoke.role,
            key = shown(&revoke.key),
            "range-end" = shown(&revoke.range_end),
            "revoked a permission on range"
        );
    }
}

/// A key as text; what is none is shown as what stands for it.
fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
