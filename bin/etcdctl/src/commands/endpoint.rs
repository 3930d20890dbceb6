//! `endpoint`: how each member is.

use std::time::Instant;

use client::ClientError;
use proto::error::Error as Known;
use proto::etcdserverpb::{
    AlarmRequest, AlarmType, HashKvRequest, MemberListRequest, RangeRequest, StatusRequest,
    alarm_request::AlarmAction,
};

use crate::exit::{ERROR, Exit};
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::{Invocation, Session};
use crate::print::{Answer, Endpoint, Format, Health};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "endpoint",
    about: "Commands about endpoints. See `etcdctl endpoint --help`",
    details: "Commands about endpoints",
    group: group::CLUSTER,
    inherited: &[Flag::switch("cluster", "use all members of the cluster")],
    children: &[
        Command {
            name: "health",
            about: "Checks whether the endpoints can commit proposals",
            run: Run::Do(|invocation| Box::pin(health(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "status",
            about: "Prints the status of the endpoints",
            details: "Prints the status of the endpoints.
In the simple format, the columns are endpoint, ID, version, storage version, size of the store,
size in use, share not in use, quota, is leader, is learner, raft term, raft index, applied raft
index, errors, downgrade target version, downgrade enabled.",
            run: Run::Do(|invocation| Box::pin(status(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "hashkv",
            about: "Prints a hash of the history of each endpoint",
            flags: &[Flag::int(
                "rev",
                "0",
                "newest revision to hash (default: the newest of all)",
            )],
            run: Run::Do(|invocation| Box::pin(hash_kv(invocation))),
            ..Command::EMPTY
        },
    ],
    ..Command::EMPTY
};

/// The endpoints that a command is about: those given, or all that the cluster knows.
pub(super) async fn endpoints(
    invocation: &Invocation,
    session: &Session,
) -> Result<Vec<String>, Exit> {
    if !invocation.arguments.bool("cluster") {
        return Ok(session.config.endpoints.clone());
    }
    let failed = |reason: String| {
        let message = format!("failed to fetch endpoints from etcd cluster member list: {reason}");
        Exit::error(message)
    };
    let client = session.short_client().await?;
    let request = MemberListRequest { linearizable: true };
    let list = client
        .member_list(request)
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(list
        .members
        .into_iter()
        .flat_map(|member| member.client_ur_ls)
        .collect())
}

/// Formats without a shape for endpoint lists are refused before anybody is asked.
fn check_format(session: &Session) -> Result<(), Exit> {
    if session.printer.format() == Format::Protobuf {
        return Err(Exit::bad_feature("protobuf not supported as output format"));
    }
    Ok(())
}

async fn health(invocation: Invocation) -> Result<(), Exit> {
    let session = invocation.session()?;
    check_format(&session)?;
    let mut checks = tokio::task::JoinSet::new();
    for endpoint in endpoints(&invocation, &session).await? {
        let session = session.clone();
        checks.spawn(async move { check(&session, endpoint).await });
    }
    let mut all = Vec::new();
    while let Some(checked) = checks.join_next().await {
        all.extend(checked.ok());
    }
    let healthy = all.iter().all(|health| health.error.is_empty());
    if session.printer.format() == Format::Simple {
        all.iter().try_for_each(show)?;
    } else {
        session.printer.print(&Answer::Health(all))?;
    }
    if healthy {
        Ok(())
    } else {
        Err(Exit::error("unhealthy cluster"))
    }
}

fn show(health: &Health) -> Result<(), Exit> {
    let endpoint = &health.endpoint;
    if health.error.is_empty() {
        let took = notation::duration::format(health.took);
        return crate::print::line(&format!(
            "{endpoint} is healthy: successfully committed proposal: took = {took}"
        ));
    }
    let error = &health.error;
    eprintln!("{endpoint} is unhealthy: failed to commit proposal: {error}");
    Ok(())
}

async fn check(session: &Session, endpoint: String) -> Health {
    let start = Instant::now();
    let outcome = probe(session, &endpoint).await;
    let took = start.elapsed();
    let error = outcome.err().unwrap_or_default();
    Health {
        endpoint,
        took,
        error,
    }
}

/// Reads a key through the quorum and asks for alarms; what is wrong is the error.
async fn probe(session: &Session, endpoint: &str) -> Result<(), String> {
    let client = session.client_of(endpoint).await;
    let client = client.map_err(|exit| exit.message.unwrap_or_default())?;
    let client = client.within(session.timeout);
    let request = RangeRequest {
        key: "health".into(),
        ..RangeRequest::default()
    };
    match client.range(request).await {
        Ok(_) => {}
        // Refusing is something that only a working member does.
        Err(error) if error.is(Known::PermissionDenied) => {}
        Err(error) => return Err(error.to_string()),
    }
    let request = AlarmRequest {
        action: AlarmAction::Get.into(),
        member_id: 0,
        alarm: AlarmType::None.into(),
    };
    let alarms = match client.alarm(request).await {
        Ok(list) => list.alarms,
        Err(_) => return Err("Unable to fetch the alarm list".to_owned()),
    };
    let names: Vec<&str> = alarms
        .iter()
        .map(|alarm| alarm.alarm().as_str_name())
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(format!("Active Alarm(s): {} ", names.join(" ")))
}

async fn status(invocation: Invocation) -> Result<(), Exit> {
    let session = invocation.session()?;
    check_format(&session)?;
    let mut all = Vec::new();
    let mut failed = false;
    for endpoint in endpoints(&invocation, &session).await? {
        let client = session.client_of(&endpoint).await?.within(session.timeout);
        match client.status(StatusRequest {}).await {
            Ok(answer) => all.push(Endpoint { endpoint, answer }),
            Err(error) => {
                eprintln!("Failed to get the status of endpoint {endpoint} ({error})");
                failed = true;
            }
        }
    }
    session.printer.print(&Answer::Status(all))?;
    if failed {
        Err(Exit::silent(ERROR))
    } else {
        Ok(())
    }
}

async fn hash_kv(invocation: Invocation) -> Result<(), Exit> {
    let session = invocation.session()?;
    check_format(&session)?;
    let revision = invocation.arguments.int("rev");
    let mut all = Vec::new();
    let mut failure: Option<ClientError> = None;
    for endpoint in endpoints(&invocation, &session).await? {
        let client = session.client_of(&endpoint).await?.within(session.timeout);
        match client.hash_kv(HashKvRequest { revision }).await {
            Ok(answer) => all.push(Endpoint { endpoint, answer }),
            Err(error) => {
                eprintln!("Failed to get the hash of endpoint {endpoint} ({error})");
                failure = Some(error);
            }
        }
    }
    session.printer.print(&Answer::HashKv(all))?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
