//! Refusing a transaction before anything is written.
//!
//! Every operation on the chosen path is checked against the state before the transaction, so that
//! execution cannot fail half-way. Keys that the transaction itself deletes before it puts them with
//! `ignore_value` or `ignore_lease` count as missing: a real server dies of that request.

use mvcc::Txn;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{PutRequest, RangeRequest, RequestOp, TxnRequest};
use types::{KeyRange, LeaseId};

use super::compare::Decision;
use crate::kv::Leases;
use crate::response::{Rejected, Stop};

/// What earlier operations of the path do to keys, as far as later checks must know it.
#[derive(Default)]
struct Path {
    /// Deletions and puts in order.
    steps: Vec<Step>,
}

enum Step {
    Delete(KeyRange),
    Put(bytes::Bytes),
}

impl Path {
    /// Whether the key exists when the path has come this far; `before` says whether it did at first.
    fn exists(&self, key: &[u8], before: bool) -> bool {
        self.steps
            .iter()
            .rev()
            .find_map(|step| match step {
                Step::Delete(range) => range.contains(key).then_some(false),
                Step::Put(put) => (put.as_ref() == key).then_some(true),
            })
            .unwrap_or(before)
    }
}

/// Checks the chosen path of `txn`.
pub(super) fn check(
    state: &Txn<'_>,
    leases: &dyn Leases,
    txn: &TxnRequest,
    decision: &Decision,
) -> Result<(), Stop> {
    check_branch(state, leases, &mut Path::default(), txn, decision)
}

fn check_branch(
    state: &Txn<'_>,
    leases: &dyn Leases,
    path: &mut Path,
    txn: &TxnRequest,
    decision: &Decision,
) -> Result<(), Stop> {
    let mut nested = decision.nested.iter();
    for RequestOp { request } in decision.branch(txn) {
        match request {
            Some(Request::RequestRange(range)) => check_range(state, range)?,
            Some(Request::RequestPut(put)) => check_put(state, leases, path, put)?,
            Some(Request::RequestDeleteRange(delete)) => {
                let range = KeyRange::new(delete.key.clone(), delete.range_end.clone())
                    .map_err(|types::EmptyKey| Rejected::EmptyKey)?;
                path.steps.push(Step::Delete(range));
            }
            Some(Request::RequestTxn(inner)) => {
                let decision = nested.next().ok_or(Rejected::Unsupported)?;
                check_branch(state, leases, path, inner, decision)?;
            }
            None => return Err(Rejected::KeyNotFound.into()),
        }
    }
    Ok(())
}

/// A revision inside a transaction: unlike a plain range, any below the compacted one is refused,
/// negative ones included.
fn check_range(state: &Txn<'_>, range: &RangeRequest) -> Result<(), Stop> {
    if range.key.is_empty() {
        return Err(Rejected::EmptyKey.into());
    }
    let revisions = state.revisions_before();
    match range.revision {
        0 => Ok(()),
        revision if revision > revisions.current => Err(Rejected::FutureRevision.into()),
        revision if revision < revisions.compacted => Err(Rejected::Compacted.into()),
        _ => Ok(()),
    }
}

fn check_put(
    state: &Txn<'_>,
    leases: &dyn Leases,
    path: &mut Path,
    put: &PutRequest,
) -> Result<(), Stop> {
    if put.key.is_empty() {
        return Err(Rejected::EmptyKey.into());
    }
    let lease = LeaseId(put.lease);
    if !lease.is_none() && !leases.exists(lease) {
        return Err(Rejected::LeaseNotFound.into());
    }
    if (put.ignore_value || put.ignore_lease)
        && !path.exists(&put.key, state.get(&put.key).is_some())
    {
        return Err(Rejected::KeyNotFound.into());
    }
    path.steps.push(Step::Put(put.key.clone()));
    Ok(())
}
