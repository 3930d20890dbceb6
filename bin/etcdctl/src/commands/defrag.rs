//! `defrag`: asks members to give free space back.

use std::time::Instant;

use proto::etcdserverpb::DefragmentRequest;

use super::endpoint::endpoints;
use crate::exit::{ERROR, Exit};
use crate::flags::{Command, Flag, Run, group};
use crate::invocation::{Invocation, Session};
use crate::print;
use notation::duration;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "defrag",
    about: "Gives free space of the members in --endpoints back",
    group: group::CLUSTER,
    flags: &[Flag::switch("cluster", "use all members of the cluster")],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let session = invocation.session()?;
    let mut failed = false;
    for endpoint in endpoints(&invocation, &session).await? {
        let start = Instant::now();
        let outcome = defragment(&session, &endpoint).await;
        let took = duration::format(start.elapsed());
        match outcome {
            Ok(()) => print::line(&format!(
                "Finished defragmenting etcd member[{endpoint}]. took {took}"
            ))?,
            Err(exit) => {
                let reason = exit.message.unwrap_or_default();
                eprintln!("Failed to defragment etcd member[{endpoint}]. took {took}. ({reason})");
                failed = true;
            }
        }
    }
    if failed {
        Err(Exit::silent(ERROR))
    } else {
        Ok(())
    }
}

async fn defragment(session: &Session, endpoint: &str) -> Result<(), Exit> {
    let client = session.client_of(endpoint).await?.within(session.timeout);
    client.defragment(DefragmentRequest {}).await?;
    Ok(())
}
