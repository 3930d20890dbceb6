//! Users, roles and permissions.

use bytes::Bytes;
use proto::authpb::{Permission, permission::Type};
use proto::etcdserverpb::{
    AuthRoleGetResponse, AuthRoleListResponse, AuthStatusResponse, AuthUserAddResponse,
    AuthUserGetResponse, AuthUserListResponse,
};

use super::*;

fn permission(kind: Type, key: &'static str, end: &'static str) -> Permission {
    Permission {
        perm_type: kind.into(),
        key: key.into(),
        range_end: Bytes::from_static(end.as_bytes()),
    }
}

fn role() -> Answer {
    let answer = AuthRoleGetResponse {
        header: header(3),
        perm: vec![
            permission(Type::Read, "a", "z"),
            permission(Type::Readwrite, "foo", ""),
            permission(Type::Read, "m", "\0"),
            permission(Type::Write, "pfx/", "pfx0"),
        ],
    };
    Answer::RoleGet("r1".to_owned(), answer)
}

/// Whoever reviews a role reads this.
#[test]
fn roles_show_what_they_allow() {
    check(
        Format::Simple,
        &role(),
        "Role r1\nKV Read:\n\t[a, z)\n\tfoo\n\t[m, <open ended>\nKV Write:\n\tfoo\n\
         \t[pfx/, pfx0) (prefix pfx/)\n",
    );
    let text = render(Format::Json, false, &role());
    assert!(text.contains(
        "\"perm\":[{\"key\":\"YQ==\",\"range_end\":\"eg==\"},{\"permType\":2,\"key\":\"Zm9v\"},"
    ));
    let text = render(Format::Fields, false, &role());
    assert!(text.contains("\"PermType\" :  READ\n\"Key\" : \"a\"\n\"RangeEnd\" : \"z\"\n"));
    let list = Answer::RoleList(AuthRoleListResponse {
        header: header(3),
        roles: vec!["r1".to_owned(), "r2".to_owned()],
    });
    check(Format::Simple, &list, "r1\nr2\n");
    let text = render(Format::Fields, false, &list);
    assert!(text.ends_with("\"Roles\" : \"r1\" \"r2\"\n"));
}

/// Lists of users feed other commands.
#[test]
fn users_show_their_roles() {
    let user = Answer::UserGet(
        "alice".to_owned(),
        AuthUserGetResponse {
            header: header(3),
            roles: vec!["r1".to_owned(), "r2".to_owned()],
        },
    );
    check(Format::Simple, &user, "User: alice\nRoles: r1 r2\n");
    check(
        Format::Json,
        &user,
        &format!("{{\"header\":{},\"roles\":[\"r1\",\"r2\"]}}\n", head(3)),
    );
    check_refused(
        Format::Fields,
        &user,
        "fields not supported as output format",
    );
    let list = Answer::UserList(AuthUserListResponse {
        header: header(3),
        users: vec!["alice".to_owned()],
    });
    check(Format::Simple, &list, "alice\n");
    let added = AuthUserAddResponse { header: header(3) };
    let added = Answer::UserAdd("bob".to_owned(), added);
    check(Format::Simple, &added, "User bob created\n");
    check(
        Format::Json,
        &added,
        &format!("{{\"header\":{}}}\n", head(3)),
    );
    check(
        Format::Fields,
        &added,
        &format!("{HEADER_FIELDS}\"Revision\" : 3\n\"RaftTerm\" : 2\n"),
    );
}

/// "false" must be printed, and must be left out of JSON.
#[test]
fn auth_status_is_told() {
    let status = |enabled| {
        Answer::AuthStatus(AuthStatusResponse {
            header: header(3),
            enabled,
            auth_revision: 22,
        })
    };
    check(
        Format::Simple,
        &status(false),
        "Authentication Status: false\nAuthRevision: 22\n",
    );
    check(
        Format::Json,
        &status(true),
        &format!(
            "{{\"header\":{},\"enabled\":true,\"authRevision\":22}}\n",
            head(3)
        ),
    );
    check(
        Format::Json,
        &status(false),
        &format!("{{\"header\":{},\"authRevision\":22}}\n", head(3)),
    );
}
