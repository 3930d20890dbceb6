//! Transactions of the model: compares, checks, operations.

use apply::Rejected;
use mvcc::RangeQuery;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{Compare, RequestOp, TxnRequest};
use types::{KeyRange, Record};

use super::model::Work;
use super::reply::Reply;

impl Work<'_> {
    /// A transaction without nested ones.
    pub(crate) fn txn(&mut self, txn: &TxnRequest) -> Result<Reply, Rejected> {
        let succeeded = txn.compare.iter().all(|compare| self.holds(compare));
        let branch = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        for op in branch {
            self.check(op)?;
        }
        let replies: Result<_, _> = branch.iter().map(|op| self.operate(op)).collect();
        Ok(Reply::Txn(succeeded, replies?))
    }

    /// Nothing may be refused once something was written.
    fn check(&self, op: &RequestOp) -> Result<(), Rejected> {
        match &op.request {
            Some(Request::RequestPut(put))
                if put.lease != 0 && !self.model.has_lease(put.lease) =>
            {
                Err(Rejected::LeaseNotFound)
            }
            _ => Ok(()),
        }
    }

    fn operate(&mut self, op: &RequestOp) -> Result<Reply, Rejected> {
        match &op.request {
            Some(Request::RequestPut(put)) => self.put(put),
            Some(Request::RequestDeleteRange(delete)) => self.delete_range(delete),
            Some(Request::RequestRange(range)) => {
                let range = KeyRange::new(range.key.clone(), range.range_end.clone())
                    .map_err(|types::EmptyKey| Rejected::EmptyKey)?;
                let result = self.model.range(&RangeQuery::of(range), i64::MAX);
                Ok(Reply::Range(result.kvs, result.more, result.count))
            }
            Some(Request::RequestTxn(_)) | None => Err(Rejected::Unsupported),
        }
    }

    fn holds(&self, compare: &Compare) -> bool {
        let record = self.now(&compare.key);
        let target = CompareTarget::try_from(compare.target).unwrap_or_default();
        // A key that is not there has no value that anything could be compared with.
        if record.is_none() && target == CompareTarget::Value {
            return false;
        }
        let record = record.cloned().unwrap_or_default();
        let order = order(&record, compare.target_union.as_ref());
        match CompareResult::try_from(compare.result).unwrap_or_default() {
            CompareResult::Equal => order.is_eq(),
            CompareResult::Greater => order.is_gt(),
            CompareResult::Less => order.is_lt(),
            CompareResult::NotEqual => order.is_ne(),
        }
    }
}

/// How the record compares with what the request names.
fn order(record: &Record, with: Option<&TargetUnion>) -> std::cmp::Ordering {
    match with {
        Some(TargetUnion::Version(version)) => record.version.cmp(version),
        Some(TargetUnion::CreateRevision(revision)) => record.create_revision.cmp(revision),
        Some(TargetUnion::ModRevision(revision)) => record.mod_revision.cmp(revision),
        Some(TargetUnion::Value(value)) => record.value.cmp(value),
        Some(TargetUnion::Lease(lease)) => record.lease.0.cmp(lease),
        None => std::cmp::Ordering::Equal,
    }
}
