//! `lock`: holds a named lock, by itself or while a program runs.

use bytes::Bytes;
use client::{Lock, LockGuard, Session as Lease};
use proto::etcdserverpb::RangeRequest;

use super::execute;
use super::signals::Interrupt;
use crate::exit::{ERROR, Exit};
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::{Invocation, Session};
use crate::print::{Answer, Shown};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "lock",
    operands: "<lockname> [exec-command arg1 arg2 ...]",
    about: "Holds a named lock",
    group: group::CONCURRENCY,
    flags: &[Flag::int(
        "ttl",
        "10",
        "seconds after which the lock of a lost client is free",
    )],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let Some(name) = arguments.operand(0) else {
        let message = "lock takes a lock name argument and an optional command to execute";
        return Err(Exit::bad_arguments(message));
    };
    let command = &arguments.operands[1..];
    let session = invocation.session()?;
    let client = session.client().await?;
    let mut interrupt = Interrupt::new()?;
    let lease = Lease::open(&client, arguments.int("ttl")).await?;
    let lock = Lock::new(&lease, &name);
    let guard = tokio::select! {
        guard = lock.acquire() => guard?,
        () = interrupt.received() => {
            lock.abandon().await?;
            return Err(Exit::error("context canceled"));
        }
    };
    if command.is_empty() {
        return hold(&session, &lease, guard, &mut interrupt).await;
    }
    let outcome = execute_with(&guard, command).await;
    guard.unlock().await?;
    outcome
}

/// Shows the lock's key, and keeps the lock until a signal comes.
async fn hold(
    session: &Session,
    lease: &Lease,
    guard: LockGuard<'_>,
    interrupt: &mut Interrupt,
) -> Result<(), Exit> {
    let request = RangeRequest {
        key: guard.key().clone(),
        ..RangeRequest::default()
    };
    let found = lease.client().range(request).await?;
    if found.kvs.is_empty() {
        return Err(Exit::error("lock lost on init"));
    }
    session.printer.print(&Answer::Range(found, Shown::Both))?;
    tokio::select! {
        () = interrupt.received() => Ok(guard.unlock().await?),
        () = lease.expired() => Err(Exit::error("session expired")),
    }
}

async fn execute_with(guard: &LockGuard<'_>, command: &[Bytes]) -> Result<(), Exit> {
    let variables = [
        (
            "ETCD_LOCK_KEY",
            String::from_utf8_lossy(guard.key()).into_owned(),
        ),
        ("ETCD_LOCK_REV", guard.revision().to_string()),
    ];
    let status = execute::run(command, &variables, false).await?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Exit::new(code.unwrap_or(ERROR), execute::describe(status)))
}
