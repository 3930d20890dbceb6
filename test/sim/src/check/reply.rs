//! Answers in a form that can be compared: what a member says against what the model says.

use apply::{Applied, Rejected, Response};
use bytes::Bytes;

/// The answer to a request of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A put, with the encoded previous record if it was asked for.
    Put(Option<Bytes>),
    /// A range inside a transaction: records, whether there are more, how many in all.
    Range(Vec<Bytes>, bool, i64),
    /// A deletion: how many, and the previous records if they were asked for.
    Delete(i64, Vec<Bytes>),
    /// A transaction.
    Txn(bool, Vec<Reply>),
    /// A compaction was accepted.
    Compaction,
    /// A lease was granted with this time to live.
    Grant(i64, i64),
    /// Done, with nothing to say.
    Done,
    /// Refused on every member alike.
    Rejected(Rejected),
    /// Something that the model does not know; compared between members only.
    Other(String),
}

impl Reply {
    /// The answer that a member gives.
    pub(crate) fn of(applied: &Applied) -> Self {
        match &applied.result {
            Ok(response) => Self::of_response(response),
            Err(rejected) => Self::Rejected(*rejected),
        }
    }

    fn of_response(response: &Response) -> Self {
        match response {
            Response::Put { prev } => Self::Put(prev.clone()),
            Response::Range(range) => Self::Range(range.kvs.clone(), range.more, range.count),
            Response::DeleteRange { deleted, prev } => Self::Delete(*deleted, prev.clone()),
            Response::Txn(txn) => {
                let replies = txn.responses.iter();
                let replies = replies.map(|op| Self::of_response(&op.response)).collect();
                Self::Txn(txn.succeeded, replies)
            }
            Response::Compaction => Self::Compaction,
            Response::LeaseGrant { id, ttl } => Self::Grant(id.0, *ttl),
            Response::Done => Self::Done,
            other => Self::Other(format!("{other:?}")),
        }
    }
}
