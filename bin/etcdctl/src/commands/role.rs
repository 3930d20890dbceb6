//! `role`: roles and their permissions.

use bytes::Bytes;
use client::prefix_end;
use proto::authpb::{Permission, permission};
use proto::etcdserverpb::{
    AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGetRequest, AuthRoleGrantPermissionRequest,
    AuthRoleListRequest, AuthRoleRevokePermissionRequest,
};

use super::operands::{OPEN_END, none, only};
use crate::exit::Exit;
use crate::flags::{Arguments, Command, Flag, Run, group};
use crate::invocation::Invocation;
use crate::print::Answer;

/// The first key that there is.
const FIRST_KEY: Bytes = Bytes::from_static(b"\0");

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "role",
    about: "Commands about roles. See `etcdctl role --help`",
    details: "Commands about roles",
    group: group::AUTHENTICATION,
    children: &[
        Command {
            name: "add",
            operands: "<role name>",
            about: "Creates a role",
            run: Run::Do(|invocation| Box::pin(add(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "delete",
            operands: "<role name>",
            about: "Deletes a role",
            run: Run::Do(|invocation| Box::pin(delete(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "get",
            operands: "<role name>",
            about: "Shows the permissions of a role",
            run: Run::Do(|invocation| Box::pin(get(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "list",
            about: "Lists all roles",
            run: Run::Do(|invocation| Box::pin(list(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "grant-permission",
            operands: "[options] <role name> <permission type> <key> [endkey]",
            about: "Gives a permission to a role",
            flags: RANGE_FLAGS,
            run: Run::Do(|invocation| Box::pin(grant(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "revoke-permission",
            operands: "<role name> <key> [endkey]",
            about: "Takes a permission from a role",
            flags: RANGE_FLAGS,
            run: Run::Do(|invocation| Box::pin(revoke(invocation))),
            ..Command::EMPTY
        },
    ],
    ..Command::EMPTY
};

const RANGE_FLAGS: &[Flag] = &[
    Flag::switch("prefix", "all keys that begin with the key"),
    Flag::switch("from-key", "all keys from the key on"),
];

async fn add(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "role add command requires role name as its argument";
    let name = only(&invocation.arguments, complaint)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let answer = client
        .role_add(AuthRoleAddRequest { name: name.clone() })
        .await?;
    session.printer.print(&Answer::RoleAdd(name, answer))
}

async fn delete(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "role delete command requires role name as its argument";
    let role = only(&invocation.arguments, complaint)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let answer = client
        .role_delete(AuthRoleDeleteRequest { role: role.clone() })
        .await?;
    session.printer.print(&Answer::RoleDelete(role, answer))
}

async fn get(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "role get command requires role name as its argument";
    let role = only(&invocation.arguments, complaint)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let answer = client
        .role_get(AuthRoleGetRequest { role: role.clone() })
        .await?;
    session.printer.print(&Answer::RoleGet(role, answer))
}

async fn list(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "role list command requires no arguments",
    )?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let answer = client.role_list(AuthRoleListRequest {}).await?;
    session.printer.print(&Answer::RoleList(answer))
}

async fn grant(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let (Some(name), Some(kind), true) = (
        arguments.operand(0),
        arguments.operand(1),
        arguments.operands.len() >= 3,
    ) else {
        let message = "role grant command requires role name, permission type, and key [endkey] \
                       as its argument";
        return Err(Exit::bad_arguments(message));
    };
    let kind = match kind.to_lowercase().as_str() {
        "read" => permission::Type::Read,
        "write" => permission::Type::Write,
        "readwrite" => permission::Type::Readwrite,
        _ => {
            return Err(Exit::bad_arguments(format!(
                "invalid permission type: {kind}"
            )));
        }
    };
    let (key, range_end) = range(arguments, 2)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = AuthRoleGrantPermissionRequest {
        name: name.clone(),
        perm: Some(Permission {
            perm_type: kind.into(),
            key,
            range_end,
        }),
    };
    let answer = client.role_grant_permission(request).await?;
    session
        .printer
        .print(&Answer::RoleGrantPermission(name, answer))
}

async fn revoke(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let (Some(role), true) = (arguments.operand(0), arguments.operands.len() >= 2) else {
        let message = "role revoke-permission command requires role name and key [endkey] as its \
                       argument";
        return Err(Exit::bad_arguments(message));
    };
    let (key, range_end) = range(arguments, 1)?;
    let given = arguments.operands.get(1).cloned().unwrap_or_default();
    let shown = shown(&given, &range_end);
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = AuthRoleRevokePermissionRequest {
        role: role.clone(),
        key,
        range_end,
    };
    let answer = client.role_revoke_permission(request).await?;
    session
        .printer
        .print(&Answer::RoleRevokePermission(role, shown, answer))
}

/// Reads `<key> [endkey]` from operand `at` on.
fn range(arguments: &Arguments, at: usize) -> Result<(Bytes, Bytes), Exit> {
    let (prefix, from_key) = (arguments.bool("prefix"), arguments.bool("from-key"));
    if prefix && from_key {
        let message = "--from-key and --prefix flags are mutually exclusive";
        return Err(Exit::bad_arguments(message));
    }
    let key = arguments.operands.get(at).cloned().unwrap_or_default();
    let end = arguments.operands.get(at + 1).cloned();
    if (prefix || from_key) && end.is_some() {
        let flag = if prefix { "prefix" } else { "from-key" };
        let message = format!("unexpected endkey argument with --{flag} flag");
        return Err(Exit::bad_arguments(message));
    }
    Ok(match end {
        // No key is empty: what begins there begins at the first key, and without a flag it is that
        // key alone.
        _ if key.is_empty() && (prefix || from_key) => (FIRST_KEY, OPEN_END),
        _ if key.is_empty() => (FIRST_KEY, Bytes::new()),
        Some(end) => (key, end),
        None if prefix => {
            let end = prefix_end(&key);
            (key, end)
        }
        None if from_key => (key, OPEN_END),
        None => (key, Bytes::new()),
    })
}

fn shown(key: &[u8], end: &[u8]) -> String {
    let (key, text) = (String::from_utf8_lossy(key), String::from_utf8_lossy(end));
    match end {
        b"" => format!("key {key}"),
        b"\0" => format!("range [{key}, <open ended>"),
        _ => format!("range [{key}, {text})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parse;

    fn check(words: &[&'static str]) -> Result<(Bytes, Bytes), String> {
        let words: Vec<Bytes> = words.iter().map(|word| (*word).into()).collect();
        range(&parse(RANGE_FLAGS, &words).unwrap(), 1).map_err(|exit| exit.message.unwrap())
    }

    /// A permission on the wrong range opens or closes the wrong keys.
    #[test]
    fn ranges_are_those_of_the_flags() {
        let pair = |key: &'static str, end: &'static str| Ok((key.into(), end.into()));
        assert_eq!(check(&["r", "k"]), pair("k", ""));
        assert_eq!(check(&["r", "a", "z"]), pair("a", "z"));
        assert_eq!(check(&["r", "a/", "--prefix"]), pair("a/", "a0"));
        assert_eq!(check(&["r", "", "--prefix"]), pair("\0", "\0"));
        assert_eq!(check(&["r", ""]), pair("\0", ""));
        assert_eq!(check(&["r", "m", "--from-key"]), pair("m", "\0"));
        assert_eq!(
            check(&["r", "m", "n", "--prefix"]).unwrap_err(),
            "unexpected endkey argument with --prefix flag"
        );
    }

    /// The line tells which permission is gone.
    #[test]
    fn revoked_ranges_are_shown() {
        assert_eq!(shown(b"foo", b""), "key foo");
        assert_eq!(shown(b"a", b"z"), "range [a, z)");
        assert_eq!(shown(b"m", b"\0"), "range [m, <open ended>");
    }
}
