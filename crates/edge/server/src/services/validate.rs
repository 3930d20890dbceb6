//! What a request must look like before anything else is done with it.

use proto::error::Error;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest};

use super::duplicates;

/// Checks a range, alone or inside a transaction.
///
/// # Errors
/// [`Error::EmptyKey`], [`Error::InvalidSortOption`].
pub(crate) fn range(request: &RangeRequest) -> Result<(), Error> {
    if request.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    let is_sortable = SortOrder::try_from(request.sort_order).is_ok()
        && SortTarget::try_from(request.sort_target).is_ok();
    if is_sortable {
        Ok(())
    } else {
        Err(Error::InvalidSortOption)
    }
}

/// Checks a put, alone or inside a transaction.
///
/// # Errors
/// [`Error::EmptyKey`], [`Error::ValueProvided`], [`Error::LeaseProvided`].
pub(crate) fn put(request: &PutRequest) -> Result<(), Error> {
    if request.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Error::LeaseProvided);
    }
    Ok(())
}

/// Checks a deletion, alone or inside a transaction.
///
/// # Errors
/// [`Error::EmptyKey`].
pub(crate) fn delete_range(request: &DeleteRangeRequest) -> Result<(), Error> {
    if request.key.is_empty() {
        Err(Error::EmptyKey)
    } else {
        Ok(())
    }
}

/// Checks a transaction: sizes and operations at every depth first, then keys written twice.
///
/// # Errors
/// [`Error::TooManyOps`], [`Error::DuplicateKey`], [`Error::KeyNotFound`] for an operation that is
/// none, and what the operations' own checks say.
pub(crate) fn txn(request: &TxnRequest, max_txn_ops: usize) -> Result<(), Error> {
    ops(request, max_txn_ops)?;
    duplicates::check(request)
}

/// What is left of the operations' budget after one level is the budget of the level below.
fn ops(request: &TxnRequest, budget: usize) -> Result<(), Error> {
    let TxnRequest {
        compare,
        success,
        failure,
    } = request;
    let used = compare.len().max(success.len()).max(failure.len());
    let left = budget.checked_sub(used).ok_or(Error::TooManyOps)?;
    if compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(Error::EmptyKey);
    }
    success
        .iter()
        .chain(failure)
        .try_for_each(|op| operation(op, left))
}

fn operation(op: &RequestOp, budget: usize) -> Result<(), Error> {
    match &op.request {
        Some(Request::RequestRange(request)) => range(request),
        Some(Request::RequestPut(request)) => put(request),
        Some(Request::RequestDeleteRange(request)) => delete_range(request),
        Some(Request::RequestTxn(request)) => ops(request, budget),
        None => Err(Error::KeyNotFound),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::etcdserverpb::Compare;

    use super::*;

    fn key() -> Bytes {
        Bytes::from_static(b"k")
    }

    fn put_op() -> RequestOp {
        let put = PutRequest {
            key: key(),
            ..PutRequest::default()
        };
        RequestOp {
            request: Some(Request::RequestPut(put)),
        }
    }

    fn range_op() -> RequestOp {
        let range = RangeRequest {
            key: key(),
            ..RangeRequest::default()
        };
        RequestOp {
            request: Some(Request::RequestRange(range)),
        }
    }

    fn nested(txn: TxnRequest) -> RequestOp {
        RequestOp {
            request: Some(Request::RequestTxn(txn)),
        }
    }

    /// Clients tell their own mistakes by these errors.
    #[test]
    fn single_requests() {
        assert_eq!(range(&RangeRequest::default()), Err(Error::EmptyKey));
        let unsorted = RangeRequest {
            key: key(),
            sort_target: 5,
            ..RangeRequest::default()
        };
        assert_eq!(range(&unsorted), Err(Error::InvalidSortOption));
        let unsorted = RangeRequest {
            key: key(),
            sort_order: -1,
            ..RangeRequest::default()
        };
        assert_eq!(range(&unsorted), Err(Error::InvalidSortOption));
        assert_eq!(put(&PutRequest::default()), Err(Error::EmptyKey));
        let valued = PutRequest {
            key: key(),
            value: key(),
            ignore_value: true,
            ..PutRequest::default()
        };
        assert_eq!(put(&valued), Err(Error::ValueProvided));
        let leased = PutRequest {
            key: key(),
            lease: 1,
            ignore_lease: true,
            ..PutRequest::default()
        };
        assert_eq!(put(&leased), Err(Error::LeaseProvided));
        assert_eq!(
            delete_range(&DeleteRangeRequest::default()),
            Err(Error::EmptyKey)
        );
    }

    /// A budget that did not shrink would let a small message make a member work for seconds.
    #[test]
    fn budget_shrinks_with_depth() {
        let level = |width: usize, inner: Option<TxnRequest>| {
            let mut success = vec![range_op(); width - usize::from(inner.is_some())];
            success.extend(inner.map(nested));
            TxnRequest {
                success,
                ..TxnRequest::default()
            }
        };
        assert_eq!(txn(&level(128, None), 128), Ok(()));
        assert_eq!(txn(&level(129, None), 128), Err(Error::TooManyOps));
        assert_eq!(txn(&level(100, Some(level(28, None))), 128), Ok(()));
        assert_eq!(
            txn(&level(100, Some(level(29, None))), 128),
            Err(Error::TooManyOps)
        );
        let compare = vec![
            Compare {
                key: key(),
                ..Compare::default()
            };
            129
        ];
        let compares = TxnRequest {
            compare,
            ..TxnRequest::default()
        };
        assert_eq!(txn(&compares, 128), Err(Error::TooManyOps));
    }

    /// Both branches are checked, whichever will be taken.
    #[test]
    fn operations_inside() {
        let failing = |op| TxnRequest {
            failure: vec![op],
            ..TxnRequest::default()
        };
        assert_eq!(
            txn(&failing(RequestOp { request: None }), 128),
            Err(Error::KeyNotFound)
        );
        let empty = RequestOp {
            request: Some(Request::RequestPut(PutRequest::default())),
        };
        assert_eq!(
            txn(&failing(nested(failing(empty))), 128),
            Err(Error::EmptyKey)
        );
        let compare = TxnRequest {
            compare: vec![Compare::default()],
            ..TxnRequest::default()
        };
        assert_eq!(txn(&compare, 128), Err(Error::EmptyKey));
        let twice = TxnRequest {
            success: vec![put_op(), put_op()],
            ..TxnRequest::default()
        };
        assert_eq!(txn(&twice, 128), Err(Error::DuplicateKey));
    }
}
