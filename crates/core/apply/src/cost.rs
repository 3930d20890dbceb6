//! What a request may add to the store, for the space quota and the NOSPACE alarm.

use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest};
use proto::limits::PUT_OVERHEAD_BYTES;

/// Bytes that a put may add.
#[must_use]
pub fn of_put(put: &PutRequest) -> u64 {
    PUT_OVERHEAD_BYTES + (put.key.len() + put.value.len()) as u64
}

/// Bytes that a transaction may add: the dearer of its branches, nested ones included.
#[must_use]
pub fn of_txn(txn: &TxnRequest) -> u64 {
    of_branch(&txn.success).max(of_branch(&txn.failure))
}

fn of_branch(ops: &[RequestOp]) -> u64 {
    ops.iter()
        .map(|op| match &op.request {
            Some(Request::RequestPut(put)) => of_put(put),
            Some(Request::RequestTxn(txn)) => of_txn(txn),
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn put(key: &'static str, value: &'static str) -> RequestOp {
        let put = PutRequest {
            key: Bytes::from(key),
            value: Bytes::from(value),
            ..PutRequest::default()
        };
        RequestOp {
            request: Some(Request::RequestPut(put)),
        }
    }

    /// A transaction without puts must pass while the NOSPACE alarm is active, one with any must not.
    #[test]
    fn a_transaction_costs_its_dearer_branch() {
        let inner = TxnRequest {
            success: vec![put("k", "v")],
            ..TxnRequest::default()
        };
        let nested = RequestOp {
            request: Some(Request::RequestTxn(inner)),
        };
        let txn = TxnRequest {
            success: vec![put("a", "")],
            failure: vec![nested, put("b", "12")],
            ..TxnRequest::default()
        };
        assert_eq!(of_txn(&txn), 258 + 259);
        assert_eq!(of_txn(&TxnRequest::default()), 0);
    }
}
