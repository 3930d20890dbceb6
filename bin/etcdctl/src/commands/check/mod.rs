//! `check`: how the cluster copes with a load.

mod datascale;
mod explain;
mod load;
mod metrics;
mod perf;
mod report;

use client::{Client, prefix_end};
use proto::etcdserverpb::{CompactionRequest, DefragmentRequest, DeleteRangeRequest, RangeRequest};

use crate::exit::{Exit, INVALID_INPUT};
use crate::flags::{Command, Flag, group};
use crate::invocation::{Invocation, Session};
use crate::print;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "check",
    about: "Commands that check the cluster. See `etcdctl check --help`",
    details: "Commands that check the cluster",
    group: group::UTILITY,
    children: &[perf::COMMAND, datascale::COMMAND],
    ..Command::EMPTY
};

const AUTO_COMPACT: Flag = Flag::switch(
    "auto-compact",
    "forget the history of the check when it is done",
);
const AUTO_DEFRAG: Flag =
    Flag::switch("auto-defrag", "give free space back when the check is done");

/// Refuses to write among keys of somebody else.
async fn refuse_used_prefix(client: &Client, prefix: &str) -> Result<(), Exit> {
    let request = RangeRequest {
        key: prefix.as_bytes().to_vec().into(),
        range_end: prefix_end(prefix.as_bytes()),
        limit: 1,
        ..RangeRequest::default()
    };
    if client.range(request).await?.kvs.is_empty() {
        return Ok(());
    }
    let message =
        format!("prefix {prefix:?} has keys. Delete with 'etcdctl del --prefix {prefix}' first");
    Err(Exit::new(INVALID_INPUT, message))
}

/// Deletes the keys of the check, and what else was asked for.
async fn clean_up(
    invocation: &Invocation,
    session: &Session,
    client: &Client,
    prefix: &str,
) -> Result<(), Exit> {
    let request = DeleteRangeRequest {
        key: prefix.as_bytes().to_vec().into(),
        range_end: prefix_end(prefix.as_bytes()),
        ..DeleteRangeRequest::default()
    };
    let deleted = client.delete_range(request).await?;
    if invocation.arguments.bool("auto-compact") {
        let revision = deleted.header.unwrap_or_default().revision;
        print::line(&format!("Compacting with revision {revision}"))?;
        let physical = true;
        client
            .compact(CompactionRequest { revision, physical })
            .await?;
        print::line(&format!("Compacted with revision {revision}"))?;
    }
    if invocation.arguments.bool("auto-defrag") {
        for endpoint in &session.config.endpoints {
            print::line(&format!("Defragmenting {endpoint:?}"))?;
            session
                .client_of(endpoint)
                .await?
                .defragment(DefragmentRequest {})
                .await?;
            print::line(&format!("Defragmented {endpoint:?}"))?;
        }
    }
    Ok(())
}
