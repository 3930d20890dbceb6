//! `auth`: turns authentication on and off.

use client::{Client, ClientError};
use proto::error::Error as Known;
use proto::etcdserverpb::{
    AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthStatusRequest,
    AuthUserGrantRoleRequest,
};

use super::operands::none;
use crate::exit::Exit;
use crate::flags::{Command, Run, group};
use crate::invocation::Invocation;
use crate::print::{self, Answer};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "auth",
    about: "Turns authentication on and off. See `etcdctl auth --help`",
    details: "Turns authentication on and off",
    group: group::AUTHENTICATION,
    children: &[
        Command {
            name: "enable",
            about: "Turns authentication on",
            run: Run::Do(|invocation| Box::pin(enable(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "disable",
            about: "Turns authentication off",
            run: Run::Do(|invocation| Box::pin(disable(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "status",
            about: "Shows whether authentication is on",
            run: Run::Do(|invocation| Box::pin(status(invocation))),
            ..Command::EMPTY
        },
    ],
    ..Command::EMPTY
};

async fn enable(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "auth enable command does not accept any arguments",
    )?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    match client.auth_enable(AuthEnableRequest {}).await {
        Err(error) if error.is(Known::RootRoleNotExist) => {
            make_root(&client).await?;
            client.auth_enable(AuthEnableRequest {}).await?
        }
        outcome => outcome?,
    };
    // In every format, as for `auth disable`.
    print::line("Authentication Enabled")
}

/// Gives the user root the role root, which is needed before authentication is turned on.
async fn make_root(client: &Client) -> Result<(), ClientError> {
    let root = || "root".to_owned();
    match client.role_add(AuthRoleAddRequest { name: root() }).await {
        Err(error) if error.is(Known::RoleAlreadyExist) => {}
        outcome => drop(outcome?),
    }
    let request = AuthUserGrantRoleRequest {
        user: root(),
        role: root(),
    };
    client.user_grant_role(request).await?;
    Ok(())
}

async fn disable(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "auth disable command does not accept any arguments",
    )?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    client.auth_disable(AuthDisableRequest {}).await?;
    print::line("Authentication Disabled")
}

async fn status(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "auth status command does not accept any arguments",
    )?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let answer = client.auth_status(AuthStatusRequest {}).await?;
    session.printer.print(&Answer::AuthStatus(answer))
}
