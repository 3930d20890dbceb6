//! `member`: who belongs to the cluster.

mod replace;

use std::fmt::Write as _;

use proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest,
};

use super::get::serializable;
use super::operands::only;
use crate::exit::Exit;
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::Invocation;
use crate::print::Answer;
use notation::number;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "member",
    about: "Commands about members. See `etcdctl member --help`",
    details: "Commands about members",
    group: group::CLUSTER,
    children: &[
        Command {
            name: "add",
            operands: "<memberName> [options]",
            about: "Adds a member to the cluster",
            flags: &[
                Flag::text(
                    "peer-urls",
                    "",
                    "peer addresses of the new member, separated by commas",
                ),
                Flag::switch("learner", "add the member as a learner"),
            ],
            run: Run::Do(|invocation| Box::pin(add(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "remove",
            operands: "<memberID>",
            about: "Removes a member from the cluster",
            run: Run::Do(|invocation| Box::pin(remove(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "update",
            operands: "<memberID> [options]",
            about: "Changes the peer addresses of a member",
            flags: &[Flag::text(
                "peer-urls",
                "",
                "new peer addresses, separated by commas",
            )],
            run: Run::Do(|invocation| Box::pin(update(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "list",
            about: "Lists all members",
            details: "Lists all members.
In the simple format, the columns are ID, status, name, peer addresses, client addresses, is
learner.",
            flags: &[Flag::text(
                "consistency",
                "l",
                "l for linearizable, s for serializable reads",
            )],
            run: Run::Do(|invocation| Box::pin(list(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "promote",
            operands: "<memberID>",
            about: "Makes a learner a voting member",
            run: Run::Do(|invocation| Box::pin(promote(invocation))),
            ..Command::EMPTY
        },
        replace::COMMAND,
    ],
    ..Command::EMPTY
};

async fn add(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let Some(name) = arguments.operand(0) else {
        return Err(Exit::bad_arguments("member name not provided"));
    };
    if arguments.operands.len() > 1 {
        let rest: Vec<String> = (1..arguments.operands.len())
            .filter_map(|at| arguments.operand(at))
            .filter(|word| word.starts_with("http"))
            .map(|word| format!(", did you mean --peer-urls={word}"))
            .collect();
        let hint = rest.first().cloned().unwrap_or_default();
        return Err(Exit::bad_arguments(format!("too many arguments{hint}")));
    }
    let peer_ur_ls = peer_urls(&invocation)?;
    let is_learner = arguments.bool("learner");
    let session = invocation.session()?;
    let client = session.short_client().await?;
    peer_ur_ls.iter().try_for_each(|url| check_url(url))?;
    let request = MemberAddRequest {
        peer_ur_ls,
        is_learner,
    };
    let answer = client.member_add(request).await?;
    let environment = environment(&name, &answer);
    session
        .printer
        .print(&Answer::MemberAdd(answer, environment))
}

/// The settings with which the new member must be started.
fn environment(name: &str, answer: &MemberAddResponse) -> String {
    let added = answer.member.clone().unwrap_or_default();
    let name_of = |member: &Member| {
        if member.id == added.id {
            name.to_owned()
        } else {
            member.name.clone()
        }
    };
    let peers: Vec<String> = answer
        .members
        .iter()
        .flat_map(|member| {
            let urls = member.peer_ur_ls.iter();
            urls.map(move |url| format!("{}={url}", name_of(member)))
        })
        .collect();
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "\nETCD_NAME=\"{name}\"\nETCD_INITIAL_CLUSTER=\"{}\"\n\
         ETCD_INITIAL_ADVERTISE_PEER_URLS=\"{}\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n",
        peers.join(","),
        added.peer_ur_ls.join(","),
    );
    out
}

async fn remove(invocation: Invocation) -> Result<(), Exit> {
    let id = id(&invocation)?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let answer = client.member_remove(MemberRemoveRequest { id }).await?;
    session.printer.print(&Answer::MemberRemove(id, answer))
}

async fn update(invocation: Invocation) -> Result<(), Exit> {
    let id = id(&invocation)?;
    let peer_ur_ls = peer_urls(&invocation)?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    peer_ur_ls.iter().try_for_each(|url| check_url(url))?;
    let answer = client
        .member_update(MemberUpdateRequest { id, peer_ur_ls })
        .await?;
    session.printer.print(&Answer::MemberUpdate(id, answer))
}

async fn promote(invocation: Invocation) -> Result<(), Exit> {
    let id = id(&invocation)?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let answer = client.member_promote(MemberPromoteRequest { id }).await?;
    session.printer.print(&Answer::MemberPromote(id, answer))
}

async fn list(invocation: Invocation) -> Result<(), Exit> {
    let linearizable = !serializable(&invocation.arguments.text("consistency"))?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let answer = client
        .member_list(MemberListRequest { linearizable })
        .await?;
    session.printer.print(&Answer::MemberList(answer))
}

fn id(invocation: &Invocation) -> Result<u64, Exit> {
    let text = only(&invocation.arguments, "member ID is not provided")?;
    number::parse_uint(&text, 16).map_err(|error| {
        Exit::bad_arguments(format!("bad member ID arg ({error}), expecting ID in Hex"))
    })
}

fn peer_urls(invocation: &Invocation) -> Result<Vec<String>, Exit> {
    let urls = invocation.arguments.text("peer-urls");
    if urls.is_empty() {
        return Err(Exit::bad_arguments("member peer urls not provided"));
    }
    Ok(urls.split(',').map(str::to_owned).collect())
}

/// Refuses what no member could listen on, before anybody is asked.
fn check_url(url: &str) -> Result<(), Exit> {
    let Some((scheme @ ("http" | "https" | "unix" | "unixs"), rest)) = url.split_once("://") else {
        let message = format!("URL scheme must be http, https, unix, or unixs: {url}");
        return Err(Exit::error(message));
    };
    if scheme.starts_with("unix") {
        return Ok(());
    }
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !host.contains(':') {
        let message = format!("URL address does not have the form \"host:port\": {url}");
        return Err(Exit::error(message));
    }
    if !path.is_empty() {
        return Err(Exit::error(format!("URL must not contain a path: {url}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new member that is started with these lines must find the cluster.
    #[test]
    fn the_environment_names_all_members() {
        let member = |id, name: &str, url: &str| Member {
            id,
            name: name.to_owned(),
            peer_ur_ls: vec![url.to_owned()],
            ..Member::default()
        };
        let answer = MemberAddResponse {
            member: Some(member(7, "", "http://127.0.0.1:2480")),
            members: vec![
                member(7, "", "http://127.0.0.1:2480"),
                member(9, "n1", "http://127.0.0.1:2380"),
            ],
            header: None,
        };
        assert_eq!(
            environment("n2", &answer),
            "\nETCD_NAME=\"n2\"\n\
             ETCD_INITIAL_CLUSTER=\"n2=http://127.0.0.1:2480,n1=http://127.0.0.1:2380\"\n\
             ETCD_INITIAL_ADVERTISE_PEER_URLS=\"http://127.0.0.1:2480\"\n\
             ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n"
        );
    }
}
