//! Deciding the branches of a transaction on the state before any of its writes.

use std::cmp::Ordering;

use mvcc::{RangeQuery, Txn};
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{Compare, RequestOp, TxnRequest};
use types::{KeyRange, Record};

use crate::record;
use crate::response::{Rejected, Stop};

/// The branch taken, and those of the nested transactions in it, in order.
pub(super) struct Decision {
    /// Whether the compares held.
    pub(super) succeeded: bool,
    /// One for each nested transaction of the chosen branch.
    pub(super) nested: Vec<Decision>,
}

impl Decision {
    /// The operations of the branch that was chosen.
    pub(super) fn branch<'a>(&self, txn: &'a TxnRequest) -> &'a [RequestOp] {
        if self.succeeded {
            &txn.success
        } else {
            &txn.failure
        }
    }
}

/// Evaluates the compares of `txn` and of every nested transaction on the chosen path.
pub(super) fn decide(state: &Txn<'_>, txn: &TxnRequest) -> Result<Decision, Stop> {
    let mut succeeded = true;
    for compare in &txn.compare {
        if !holds(state, compare)? {
            succeeded = false;
            break;
        }
    }
    let mut decision = Decision {
        succeeded,
        nested: Vec::new(),
    };
    for op in decision.branch(txn) {
        if let Some(Request::RequestTxn(inner)) = &op.request {
            decision.nested.push(decide(state, inner)?);
        }
    }
    Ok(decision)
}

/// Whether a compare holds for its key, or for every key of its range.
fn holds(state: &Txn<'_>, compare: &Compare) -> Result<bool, Stop> {
    let range = KeyRange::new(compare.key.clone(), compare.range_end.clone())
        .map_err(|types::EmptyKey| Rejected::EmptyKey)?;
    let target = CompareTarget::try_from(compare.target).ok();
    // Version and revisions are in the index; value and lease need the record.
    let keys_only = !matches!(target, Some(CompareTarget::Value | CompareTarget::Lease));
    let found = state.range(&RangeQuery {
        keys_only,
        ..RangeQuery::of(range)
    })?;
    if found.kvs.is_empty() {
        // A missing key has no value to compare; its numbers are zero.
        return Ok(target != Some(CompareTarget::Value)
            && record_holds(&Record::default(), target, compare));
    }
    for encoded in &found.kvs {
        if !record_holds(&record::decoded(encoded)?, target, compare) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a compare holds for one record; an unknown target counts as equal, an unknown result as
/// true.
#[must_use]
pub fn record_holds(record: &Record, target: Option<CompareTarget>, compare: &Compare) -> bool {
    let given = compare.target_union.as_ref();
    let ordering = match target {
        Some(CompareTarget::Version) => record.version.cmp(&match given {
            Some(TargetUnion::Version(version)) => *version,
            _ => 0,
        }),
        Some(CompareTarget::Create) => record.create_revision.cmp(&match given {
            Some(TargetUnion::CreateRevision(revision)) => *revision,
            _ => 0,
        }),
        Some(CompareTarget::Mod) => record.mod_revision.cmp(&match given {
            Some(TargetUnion::ModRevision(revision)) => *revision,
            _ => 0,
        }),
        Some(CompareTarget::Lease) => record.lease.0.cmp(&match given {
            Some(TargetUnion::Lease(lease)) => *lease,
            _ => 0,
        }),
        Some(CompareTarget::Value) => record.value.as_ref().cmp(match given {
            Some(TargetUnion::Value(value)) => value.as_ref(),
            _ => b"",
        }),
        None => Ordering::Equal,
    };
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => ordering == Ordering::Equal,
        Ok(CompareResult::NotEqual) => ordering != Ordering::Equal,
        Ok(CompareResult::Greater) => ordering == Ordering::Greater,
        Ok(CompareResult::Less) => ordering == Ordering::Less,
        Err(_) => true,
    }
}
