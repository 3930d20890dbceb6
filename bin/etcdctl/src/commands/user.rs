//! `user`: users, their passwords and roles.

use std::io::BufRead as _;

use proto::authpb::UserAddOptions;
use proto::etcdserverpb::{
    AuthRoleGetRequest, AuthUserAddRequest, AuthUserChangePasswordRequest, AuthUserDeleteRequest,
    AuthUserGetRequest, AuthUserGrantRoleRequest, AuthUserListRequest, AuthUserRevokeRoleRequest,
};

use super::operands::{none, only};
use crate::exit::Exit;
use crate::flags::{Arguments, Command, Flag, Kind, Run, group};
use crate::invocation::Invocation;
use crate::print::{self, Answer};
use crate::terminal::ask_secretly;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "user",
    about: "Commands about users. See `etcdctl user --help`",
    details: "Commands about users",
    group: group::AUTHENTICATION,
    children: &[
        Command {
            name: "add",
            operands: "<user name or user:password> [options]",
            about: "Creates a user",
            flags: &[
                INTERACTIVE,
                Flag::text("new-user-password", "", "password of the new user"),
                Flag::switch(
                    "no-password",
                    "create a user that only certificates can identify",
                ),
            ],
            run: Run::Do(|invocation| Box::pin(add(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "delete",
            operands: "<user name>",
            about: "Deletes a user",
            run: Run::Do(|invocation| Box::pin(delete(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "get",
            operands: "<user name> [options]",
            about: "Shows the roles of a user",
            flags: &[Flag::switch(
                "detail",
                "show the permissions of the roles as well",
            )],
            run: Run::Do(|invocation| Box::pin(get(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "list",
            about: "Lists all users",
            run: Run::Do(|invocation| Box::pin(list(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "passwd",
            operands: "<user name> [options]",
            about: "Changes the password of a user",
            flags: &[INTERACTIVE],
            run: Run::Do(|invocation| Box::pin(passwd(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "grant-role",
            operands: "<user name> <role name>",
            about: "Gives a role to a user",
            run: Run::Do(|invocation| Box::pin(grant_role(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "revoke-role",
            operands: "<user name> <role name>",
            about: "Takes a role from a user",
            run: Run::Do(|invocation| Box::pin(revoke_role(invocation))),
            ..Command::EMPTY
        },
    ],
    ..Command::EMPTY
};

const INTERACTIVE: Flag = Flag::of(
    "interactive",
    Kind::Bool,
    "true",
    "ask for the password on the terminal; otherwise read one word from stdin",
);

async fn add(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let operand = only(
        arguments,
        "user add command requires user name as its argument",
    )?;
    let no_password = arguments.bool("no-password");
    let given = arguments.text("new-user-password");
    let (name, password) = if no_password {
        (operand, String::new())
    } else if !given.is_empty() {
        (operand, given)
    } else if let Some((name, password)) = operand.split_once(':') {
        if name.is_empty() {
            return Err(Exit::bad_arguments("empty user name is not allowed"));
        }
        (name.to_owned(), password.to_owned())
    } else {
        let password = new_password(arguments, &operand)?;
        (operand, password)
    };
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = AuthUserAddRequest {
        name: name.clone(),
        password,
        options: Some(UserAddOptions { no_password }),
        ..AuthUserAddRequest::default()
    };
    let answer = client.user_add(request).await?;
    session.printer.print(&Answer::UserAdd(name, answer))
}

async fn delete(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "user delete command requires user name as its argument";
    let name = only(&invocation.arguments, complaint)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let answer = client
        .user_delete(AuthUserDeleteRequest { name: name.clone() })
        .await?;
    session.printer.print(&Answer::UserDelete(name, answer))
}

async fn get(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "user get command requires user name as its argument";
    let name = only(&invocation.arguments, complaint)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let user = client
        .user_get(AuthUserGetRequest { name: name.clone() })
        .await?;
    if !invocation.arguments.bool("detail") {
        return session.printer.print(&Answer::UserGet(name, user));
    }
    print::line(&format!("User: {name}"))?;
    for role in user.roles {
        print::line("")?;
        let answer = client
            .role_get(AuthRoleGetRequest { role: role.clone() })
            .await?;
        session.printer.print(&Answer::RoleGet(role, answer))?;
    }
    Ok(())
}

async fn list(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "user list command requires no arguments",
    )?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let answer = client.user_list(AuthUserListRequest {}).await?;
    session.printer.print(&Answer::UserList(answer))
}

async fn passwd(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "user passwd command requires user name as its argument";
    let name = only(&invocation.arguments, complaint)?;
    let password = new_password(&invocation.arguments, &name)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = AuthUserChangePasswordRequest {
        name,
        password,
        ..AuthUserChangePasswordRequest::default()
    };
    let answer = client.user_change_password(request).await?;
    session.printer.print(&Answer::UserPassword(answer))
}

async fn grant_role(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "user grant command requires user name and role name as its argument";
    let (user, role) = two(&invocation.arguments, complaint)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = AuthUserGrantRoleRequest {
        user: user.clone(),
        role: role.clone(),
    };
    let answer = client.user_grant_role(request).await?;
    session
        .printer
        .print(&Answer::UserGrantRole(user, role, answer))
}

async fn revoke_role(invocation: Invocation) -> Result<(), Exit> {
    let complaint = "user revoke-role requires user name and role name as its argument";
    let (user, role) = two(&invocation.arguments, complaint)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = AuthUserRevokeRoleRequest {
        name: user.clone(),
        role: role.clone(),
    };
    let answer = client.user_revoke_role(request).await?;
    session
        .printer
        .print(&Answer::UserRevokeRole(user, role, answer))
}

fn two(arguments: &Arguments, complaint: &str) -> Result<(String, String), Exit> {
    match (
        arguments.operands.len(),
        arguments.operand(0),
        arguments.operand(1),
    ) {
        (2, Some(first), Some(second)) => Ok((first, second)),
        _ => Err(Exit::bad_arguments(complaint)),
    }
}

/// Asks for a new password twice, or reads it from stdin.
fn new_password(arguments: &Arguments, name: &str) -> Result<String, Exit> {
    if !arguments.bool("interactive") {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        return Ok(line
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned());
    }
    let first = ask_secretly(&format!("Password of {name}: "))?;
    if first.is_empty() {
        return Err(Exit::bad_arguments("empty password"));
    }
    let again = ask_secretly(&format!("Type password of {name} again for confirmation: "))?;
    if first != again {
        return Err(Exit::bad_arguments("given passwords are different"));
    }
    Ok(first)
}
