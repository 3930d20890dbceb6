//! Who asks, and the changes of users, roles and rights.

use bytes::Bytes;
use proto::authpb::permission::Type;
use proto::authpb::{Permission, UserAddOptions};
use proto::etcdserverpb::{
    AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthRoleDeleteRequest,
    AuthRoleGrantPermissionRequest, AuthRoleRevokePermissionRequest, AuthUserAddRequest,
    AuthUserDeleteRequest, AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest,
};

use super::workload::{Known, write};
use crate::check::ROOT;
use crate::random::Random;
use crate::sim::{Ask, User, bytes};

/// Ordinary users.
const USERS: [User; 3] = ["u0", "u1", "u2"];
/// Their roles.
const ROLES: [&str; 3] = ["r0", "r1", "r2"];
/// A grant of many keys ends here.
const END: &[u8] = b"k06";

/// Who asks: often somebody who may everything, now and then nobody.
pub(crate) fn user(random: &mut Random) -> User {
    match random.below(10) {
        0..5 => ROOT,
        5..9 => USERS[random.index(USERS.len())],
        _ => "",
    }
}

/// The next change. The first ones, in this order, are what it takes to turn authentication on.
pub(super) fn request(known: &mut Known, random: &mut Random) -> Ask {
    let (user, role) = (*random.pick(&USERS), *random.pick(&ROLES));
    known.governed += 1;
    match known.governed {
        1 => return user_add(ROOT),
        2 => return user_grant(ROOT, ROOT),
        n @ 3..6 => return user_add(USERS[n - 3]),
        n @ 6..9 => return role_add(ROLES[n - 6]),
        n @ 9..12 => return role_grant(ROLES[n - 9], random),
        n @ 12..15 => return user_grant(USERS[n - 12], ROLES[n - 12]),
        15 => return enable(),
        _ => {}
    }
    match random.below(30) {
        0..4 => enable(),
        4 => write(|request| request.auth_disable = Some(AuthDisableRequest::default())),
        5 => user_add(ROOT),
        6 => user_grant(ROOT, ROOT),
        7 => user_delete(ROOT),
        8..10 => user_add(user),
        10 => user_delete(user),
        11..15 => user_grant(user, role),
        15..19 => user_revoke(user, role),
        19..21 => role_add(role),
        21 => write(|request| {
            let role = role.to_owned();
            request.auth_role_delete = Some(AuthRoleDeleteRequest { role });
        }),
        22..26 => role_grant(role, random),
        26..29 => role_revoke(role, random),
        _ => user_revoke(ROOT, ROOT),
    }
}

fn enable() -> Ask {
    write(|request| request.auth_enable = Some(AuthEnableRequest::default()))
}

fn user_add(name: &str) -> Ask {
    write(|request| {
        request.auth_user_add = Some(Box::new(AuthUserAddRequest {
            name: name.to_owned(),
            options: Some(UserAddOptions { no_password: true }),
            ..AuthUserAddRequest::default()
        }));
    })
}

fn user_delete(name: &str) -> Ask {
    let name = name.to_owned();
    write(|request| request.auth_user_delete = Some(AuthUserDeleteRequest { name }))
}

fn user_grant(user: &str, role: &str) -> Ask {
    let (user, role) = (user.to_owned(), role.to_owned());
    write(|request| request.auth_user_grant_role = Some(AuthUserGrantRoleRequest { user, role }))
}

fn user_revoke(name: &str, role: &str) -> Ask {
    let (name, role) = (name.to_owned(), role.to_owned());
    write(|request| request.auth_user_revoke_role = Some(AuthUserRevokeRoleRequest { name, role }))
}

fn role_add(name: &str) -> Ask {
    let name = name.to_owned();
    write(|request| request.auth_role_add = Some(AuthRoleAddRequest { name }))
}

fn role_grant(role: &str, random: &mut Random) -> Ask {
    let kind = *random.pick(&[Type::Read, Type::Write, Type::Readwrite, Type::Readwrite]);
    let (key, range_end) = ends(random);
    let perm = Permission {
        perm_type: kind.into(),
        key,
        range_end,
    };
    write(|request| {
        let name = role.to_owned();
        let perm = Some(perm);
        let grant = AuthRoleGrantPermissionRequest { name, perm };
        request.auth_role_grant_permission = Some(Box::new(grant));
    })
}

fn role_revoke(role: &str, random: &mut Random) -> Ask {
    let (key, range_end) = ends(random);
    write(|request| {
        request.auth_role_revoke_permission = Some(AuthRoleRevokePermissionRequest {
            role: role.to_owned(),
            key,
            range_end,
        });
    })
}

/// A range of keys, one of few, so that what was granted is found again to be taken away.
fn ends(random: &mut Random) -> (Bytes, Bytes) {
    let key = bytes(format!("k{:02}", random.below(4)));
    let range_end = match random.below(4) {
        0 => Bytes::new(),
        1 => Bytes::from_static(b"\0"),
        _ => Bytes::from_static(END),
    };
    (key, range_end)
}
