//! Users, roles and permissions as JSON.

use proto::authpb::Permission;

use super::writer::Writer;
use super::{headed, header};
use crate::print::answer::Answer;

/// Writes an answer about authentication; other answers write nothing.
pub(super) fn value(writer: &mut Writer, answer: &Answer) {
    match answer {
        Answer::AuthStatus(status) => writer.object(|object| {
            header(object, status.header.as_ref());
            object.bool_set("enabled", status.enabled);
            object.number_set("authRevision", status.auth_revision);
        }),
        Answer::UserGet(_, user) => writer.object(|object| {
            header(object, user.header.as_ref());
            object.array_set("roles", &user.roles, |writer, role| writer.text(role));
        }),
        Answer::UserList(list) => writer.object(|object| {
            header(object, list.header.as_ref());
            object.array_set("users", &list.users, |writer, user| writer.text(user));
        }),
        Answer::RoleGet(_, role) => writer.object(|object| {
            header(object, role.header.as_ref());
            object.array_set("perm", &role.perm, permission);
        }),
        Answer::RoleList(list) => writer.object(|object| {
            header(object, list.header.as_ref());
            object.array_set("roles", &list.roles, |writer, role| writer.text(role));
        }),
        _ => {
            if let Some(plain) = answer.plain_header() {
                headed(writer, plain);
            }
        }
    }
}

fn permission(writer: &mut Writer, permission: &Permission) {
    writer.object(|object| {
        object.number_set("permType", permission.perm_type);
        object.bytes_set("key", &permission.key);
        object.bytes_set("range_end", &permission.range_end);
    });
}
