//! `elect`: stands in an election, or follows one.

use bytes::Bytes;
use client::{Client, Election, Session as Lease};
use proto::etcdserverpb::RangeRequest;

use super::signals::Interrupt;
use crate::exit::Exit;
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::{Invocation, Session};
use crate::print::{Answer, Shown};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "elect",
    operands: "<election-name> [proposal]",
    about: "Stands as a candidate in an election, or follows it",
    group: group::CONCURRENCY,
    flags: &[Flag::switch("listen", "follow the election").short('l')],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// Seconds after which the office of a lost candidate is free.
const TTL: i64 = 60;

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let (count, listen) = (arguments.operands.len(), arguments.bool("listen"));
    let name = match arguments.operand(0) {
        Some(name) if count <= 2 => name,
        _ => {
            let message =
                "elect takes one election name argument and an optional proposal argument";
            return Err(Exit::bad_arguments(message));
        }
    };
    let proposal = arguments.operands.get(1);
    let election = Election::new(&name);
    match (proposal, listen) {
        (None, false) => Err(Exit::bad_arguments("no proposal argument but -l not set")),
        (Some(_), true) => Err(Exit::bad_arguments("proposal given but -l is set")),
        (None, true) => {
            let session = invocation.session()?;
            let client = session.client().await?;
            observe(&session, &client, &election).await
        }
        (Some(proposal), false) => {
            let session = invocation.session()?;
            let client = session.client().await?;
            campaign(&session, &client, &election, proposal).await
        }
    }
}

async fn observe(session: &Session, client: &Client, election: &Election) -> Result<(), Exit> {
    let mut interrupt = Interrupt::new()?;
    let mut leaders = election.observe(client);
    loop {
        tokio::select! {
            leader = leaders.recv() => match leader {
                Some(leader) => session.printer.print(&Answer::Range(leader, Shown::Both))?,
                None => return Err(Exit::error("elect: observer lost")),
            },
            () = interrupt.received() => return Ok(()),
        }
    }
}

async fn campaign(
    session: &Session,
    client: &Client,
    election: &Election,
    proposal: &Bytes,
) -> Result<(), Exit> {
    let mut interrupt = Interrupt::new()?;
    let lease = Lease::open(client, TTL).await?;
    let candidate = tokio::select! {
        candidate = election.campaign(&lease, proposal) => candidate?,
        () = interrupt.received() => {
            election.abandon(&lease).await?;
            return Err(Exit::error("context canceled"));
        }
    };
    let request = RangeRequest {
        key: candidate.key().clone(),
        ..RangeRequest::default()
    };
    let found = client.range(request).await?;
    session.printer.print(&Answer::Range(found, Shown::Both))?;
    tokio::select! {
        () = interrupt.received() => Ok(candidate.resign().await?),
        () = lease.expired() => Err(Exit::error("elect: session expired")),
    }
}
