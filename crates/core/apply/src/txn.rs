//! Transactions: compares first, checks next, writes last.
//!
//! All compares of the chosen path, those of nested transactions included, are decided on the state
//! before any write. Then every operation of the path is checked, and only then are they executed,
//! so that a refused transaction leaves no trace.

mod check;
mod compare;
mod execute;

pub use compare::record_holds;

use mvcc::Txn;
use proto::etcdserverpb::TxnRequest;

use crate::kv::Leases;
use crate::response::{Response, Stop};

/// Applies a transaction to `state`; nothing has been written when it is refused.
pub(crate) fn apply(
    state: &mut Txn<'_>,
    leases: &mut dyn Leases,
    txn: &TxnRequest,
) -> Result<Response, Stop> {
    let decision = compare::decide(state, txn)?;
    check::check(state, leases, txn, &decision)?;
    execute::execute(state, leases, txn, &decision).map(Response::Txn)
}
