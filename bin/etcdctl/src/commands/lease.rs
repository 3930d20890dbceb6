//! `lease`: leases, which delete their keys when they end.

use proto::etcdserverpb::{
    LeaseGrantRequest, LeaseLeasesRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest,
};

use super::operands::{lease_id, only};
use crate::exit::{BAD_CONNECTION, ERROR, Exit};
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::Invocation;
use crate::print::{self, Answer, Format};
use notation::number;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "lease",
    about: "Commands about leases. See `etcdctl lease --help`",
    details: "Commands about leases",
    group: group::KEY_VALUE,
    children: &[
        Command {
            name: "grant",
            operands: "<ttl>",
            about: "Creates a lease that lives for <ttl> seconds",
            run: Run::Do(|invocation| Box::pin(grant(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "revoke",
            operands: "<leaseID>",
            about: "Ends a lease and deletes its keys",
            run: Run::Do(|invocation| Box::pin(revoke(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "timetolive",
            operands: "<leaseID> [options]",
            about: "Shows how long a lease lives",
            flags: &[Flag::switch("keys", "show the keys of the lease as well")],
            run: Run::Do(|invocation| Box::pin(time_to_live(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "list",
            about: "Lists all leases",
            run: Run::Do(|invocation| Box::pin(list(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "keep-alive",
            operands: "[options] <leaseID>",
            about: "Renews a lease again and again",
            flags: &[Flag::switch("once", "renew the lease once and end")],
            run: Run::Do(|invocation| Box::pin(keep_alive(invocation))),
            ..Command::EMPTY
        },
    ],
    ..Command::EMPTY
};

async fn grant(invocation: Invocation) -> Result<(), Exit> {
    let text = only(
        &invocation.arguments,
        "lease grant command needs TTL argument",
    )?;
    let ttl = number::parse_int(&text, 10)
        .map_err(|error| Exit::bad_arguments(format!("bad TTL ({error})")))?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let answer = client.lease_grant(LeaseGrantRequest { ttl, id: 0 }).await;
    let answer = answer.map_err(|error| failed("grant", &error))?;
    session.printer.print(&Answer::LeaseGrant(answer))
}

async fn revoke(invocation: Invocation) -> Result<(), Exit> {
    let id = id(&invocation, "lease revoke command needs 1 argument")?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let answer = client.lease_revoke(LeaseRevokeRequest { id }).await;
    let answer = answer.map_err(|error| failed("revoke", &error))?;
    session.printer.print(&Answer::LeaseRevoke(id, answer))
}

async fn time_to_live(invocation: Invocation) -> Result<(), Exit> {
    let id = id(
        &invocation,
        "lease timetolive command needs lease ID as argument",
    )?;
    let keys = invocation.arguments.bool("keys");
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = LeaseTimeToLiveRequest { id, keys };
    let answer = client
        .lease_time_to_live(request)
        .await
        .map_err(bad_connection)?;
    session
        .printer
        .print(&Answer::LeaseTimeToLive(answer, keys))
}

async fn list(invocation: Invocation) -> Result<(), Exit> {
    let session = invocation.session()?;
    let client = session.client().await?;
    let answer = client
        .lease_leases(LeaseLeasesRequest {})
        .await
        .map_err(bad_connection)?;
    session.printer.print(&Answer::LeaseList(answer))
}

async fn keep_alive(invocation: Invocation) -> Result<(), Exit> {
    let id = id(
        &invocation,
        "lease keep-alive command needs lease ID as argument",
    )?;
    let session = invocation.session()?;
    let client = session.client().await?;
    if invocation.arguments.bool("once") {
        let answer = client.keep_alive_once(id).await.map_err(bad_connection)?;
        return session.printer.print(&Answer::LeaseKeepAlive(answer));
    }
    let mut renewals = client.keep_alive(id);
    while let Some(answer) = renewals.next().await {
        session.printer.print(&Answer::LeaseKeepAlive(answer))?;
    }
    if session.printer.format() == Format::Simple {
        print::line(&format!("lease {id:016x} expired or revoked."))?;
    }
    Ok(())
}

fn id(invocation: &Invocation, complaint: &str) -> Result<i64, Exit> {
    let text = only(&invocation.arguments, complaint)?;
    lease_id(&text, "lease ID arg")
}

fn failed(verb: &str, error: &client::ClientError) -> Exit {
    Exit::new(ERROR, format!("failed to {verb} lease ({error})"))
}

fn bad_connection(error: client::ClientError) -> Exit {
    Exit::from(error).with_code(BAD_CONNECTION)
}
