//! `move-leader`: makes another member the leader.

use proto::etcdserverpb::{MoveLeaderRequest, StatusRequest};

use super::operands::only;
use crate::exit::Exit;
use crate::flags::{Command, Run, group};
use crate::invocation::Invocation;
use crate::print::Answer;
use notation::number;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "move-leader",
    operands: "<transferee-member-id>",
    about: "Makes another member the leader",
    group: group::CLUSTER,
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let text = only(
        &invocation.arguments,
        "move-leader command needs 1 argument",
    )?;
    let target_id =
        number::parse_uint(&text, 16).map_err(|error| Exit::bad_arguments(error.to_string()))?;
    let session = invocation.session()?;
    // Only the leader itself can hand its office over.
    for endpoint in &session.config.endpoints {
        let client = session.client_of(endpoint).await?.within(session.timeout);
        let status = client.status(StatusRequest {}).await?;
        let id = status.header.unwrap_or_default().member_id;
        if status.leader == id {
            let answer = client.move_leader(MoveLeaderRequest { target_id }).await?;
            return session
                .printer
                .print(&Answer::MoveLeader(id, target_id, answer));
        }
    }
    let endpoints = session.config.endpoints.join(" ");
    Err(Exit::bad_arguments(format!(
        "no leader endpoint given at [{endpoints}]"
    )))
}
