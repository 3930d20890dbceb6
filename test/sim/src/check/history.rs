//! Answers to clients, against the log and in real time: linearizability.

use apply::Rejected;
use mvcc::{RangeQuery, RangeResult};
use types::{Index, RequestId};

use super::ledger::Ledger;
use super::reply::Reply;
use crate::sim::User;
use crate::violation::{Checked, Violation, ensure};

/// What was known to clients when one of them asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    user: User,
    floor: Index,
    floor_revision: i64,
}

impl Ledger {
    /// A client asks now, as this user.
    pub(crate) fn asked(&self, user: User) -> Asked {
        Asked {
            user,
            floor: self.floor,
            floor_revision: self.floor_revision,
        }
    }

    /// A client was answered a request of the log.
    pub(crate) fn answered(
        &mut self,
        asked: &Asked,
        id: RequestId,
        reply: &Reply,
        revision: i64,
    ) -> Checked {
        let (index, line) = self.find(id).ok_or_else(|| {
            let what = format!("request {id} was acknowledged and is not in the log");
            Violation::new("durability", what)
        })?;
        let is_right = line.reply.as_ref() == Some(reply) && line.revision == revision;
        ensure(is_right, "answers", || {
            format!("request {id} at {index} was answered {revision} {reply:?} instead of {line:?}")
        })?;
        ensure(index > asked.floor, "real time", || {
            format!(
                "request {id} stands at {index}, but was asked after {} was known",
                asked.floor
            )
        })?;
        self.heard(index, revision);
        Ok(())
    }

    /// A client was answered a read by a member that had applied everything up to `applied`.
    pub(crate) fn read(
        &mut self,
        asked: &Asked,
        query: &RangeQuery,
        is_linear: bool,
        applied: Index,
        result: Result<&RangeResult, Rejected>,
    ) -> Checked {
        if is_linear {
            ensure(applied >= asked.floor, "linearizable reads", || {
                format!(
                    "a read was answered at entry {applied}, but was asked after {} was known",
                    asked.floor
                )
            })?;
        }
        self.government
            .read(applied, asked.user, &query.range, result.err())?;
        match result {
            Err(Rejected::Auth(_)) => {}
            Ok(result) => self.read_result(asked, query, is_linear, result)?,
            Err(Rejected::Compacted) => ensure(
                query.revision > 0 && query.revision < self.model.compacted,
                "reads",
                || {
                    let compacted = self.model.compacted;
                    format!("{query:?} was refused as compacted at {compacted}")
                },
            )?,
            Err(Rejected::FutureRevision) => ensure(
                !is_linear || query.revision > asked.floor_revision,
                "reads",
                || format!("{query:?} was refused as future after {asked:?}"),
            )?,
            Err(other) => {
                return Err(Violation::new(
                    "reads",
                    format!("{query:?} failed: {other}"),
                ));
            }
        }
        // Who was shown a state expects to see at least that from now on.
        self.heard(applied, 1);
        Ok(())
    }

    fn read_result(
        &mut self,
        asked: &Asked,
        query: &RangeQuery,
        is_linear: bool,
        result: &RangeResult,
    ) -> Checked {
        let revision = result.revision;
        let known = self.model.revision;
        ensure(revision <= known, "reads", || {
            format!("a read at revision {revision}, but there are only {known}")
        })?;
        ensure(
            !is_linear || revision >= asked.floor_revision,
            "linearizable reads",
            || {
                let floor = asked.floor_revision;
                format!("a read at revision {revision} after {floor} was known")
            },
        )?;
        let at = match query.revision {
            at @ 1.. => at,
            _ => revision,
        };
        let mut expected = self.model.range(query, at);
        expected.revision = revision;
        ensure(*result == expected, "reads", || {
            format!("{query:?} at {at} answered {result:?} instead of {expected:?}")
        })?;
        self.heard(Index(0), revision);
        Ok(())
    }
}
