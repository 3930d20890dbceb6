//! Carrying out the chosen path of a transaction, in order, each operation seeing the earlier ones.

use mvcc::Txn;
use proto::etcdserverpb::TxnRequest;
use proto::etcdserverpb::request_op::Request;

use super::compare::Decision;
use crate::kv::{self, Leases};
use crate::query;
use crate::response::{OpResult, Rejected, Response, Stop, TxnResult};

/// Executes the branch that `decision` chose.
pub(super) fn execute(
    state: &mut Txn<'_>,
    leases: &mut dyn Leases,
    txn: &TxnRequest,
    decision: &Decision,
) -> Result<TxnResult, Stop> {
    let branch = decision.branch(txn);
    let mut nested = decision.nested.iter();
    let mut responses = Vec::with_capacity(branch.len());
    for op in branch {
        let response = match &op.request {
            Some(Request::RequestRange(range)) => {
                let query = query::of_range(range).map_err(|types::EmptyKey| Rejected::EmptyKey)?;
                Response::Range(state.range(&query)?)
            }
            Some(Request::RequestPut(put)) => kv::put(state, leases, put)?,
            Some(Request::RequestDeleteRange(delete)) => kv::delete_range(state, leases, delete)?,
            Some(Request::RequestTxn(inner)) => {
                let decision = nested.next().ok_or(Rejected::Unsupported)?;
                Response::Txn(execute(state, leases, inner, decision)?)
            }
            None => return Err(Rejected::KeyNotFound.into()),
        };
        responses.push(OpResult {
            revision: state.revision(),
            response,
        });
    }
    Ok(TxnResult {
        succeeded: decision.succeeded,
        responses,
    })
}
