//! The table format, for lists of members and endpoints.

use super::Unsupported;
use super::answer::Answer;
use super::simple::{endpoint, member};
use notation::{duration, table};

/// Writes an answer as a table.
pub(super) fn render(answer: &Answer) -> Result<Vec<u8>, Unsupported> {
    let table = match answer {
        Answer::MemberList(list) => table::render(
            &[
                "id",
                "status",
                "name",
                "peer addrs",
                "client addrs",
                "is learner",
            ],
            &list.members.iter().map(member).collect::<Vec<_>>(),
        ),
        Answer::Health(list) => {
            let rows = list.iter().map(|health| {
                let took = duration::format(health.took);
                let healthy = health.error.is_empty().to_string();
                vec![health.endpoint.clone(), healthy, took, health.error.clone()]
            });
            table::render(
                &["endpoint", "health", "took", "error"],
                &rows.collect::<Vec<_>>(),
            )
        }
        Answer::Status(list) => table::render(
            &[
                "endpoint",
                "id",
                "version",
                "storage version",
                "db size",
                "in use",
                "percentage not in use",
                "quota",
                "is leader",
                "is learner",
                "raft term",
                "raft index",
                "raft applied index",
                "errors",
                "downgrade target version",
                "downgrade enabled",
            ],
            &list.iter().map(endpoint).collect::<Vec<_>>(),
        ),
        Answer::HashKv(list) => {
            let rows = list.iter().map(|of| {
                let hash = &of.answer;
                vec![
                    of.endpoint.clone(),
                    hash.hash.to_string(),
                    hash.hash_revision.to_string(),
                ]
            });
            table::render(
                &["endpoint", "hash", "hash revision"],
                &rows.collect::<Vec<_>>(),
            )
        }
        _ => return Err(Unsupported::Format("table")),
    };
    Ok(table.into_bytes())
}
