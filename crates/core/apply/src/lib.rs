//! Applying the log: committed entries in, state and answers out, the same on every member.
//!
//! ```text
//! entry ── decode ── alarms ── permissions ── quota ── put | range | txn | lease | alarm | cluster ──> Applied
//!                                  │
//!                                  ├─ mvcc (keys)        buckets of the pending batch
//!                                  ├─ lease (table)      lease
//!                                  ├─ auth (users)       auth, authUsers, authRoles
//!                                  └─ cluster (members)  members, members_removed, cluster
//! ```
//! Rules that hold here:
//! - entries come in index order; those at or below the consistent index change nothing;
//! - every entry, refused ones included, moves the consistent index, in the same batch as its effects;
//! - nothing local (a clock, this disk's quota, an order of a map) decides an outcome: the quota only
//!   adds a remark to the answer, the time only arms deadlines that are the leader's own;
//! - a rejection writes nothing and makes no revision.

pub mod cost;
pub mod query;

mod alarm;
mod auth_requests;
mod kv;
mod legacy;
mod machine;
mod membership;
mod permit;
mod record;
mod response;
mod shared_leases;
mod txn;

pub use alarm::Alarms;
pub use auth_requests::{Login, TokenChange};
pub use legacy::modern;
pub use machine::{Apply, Options, Outcome};
pub use permit::Permit;
pub use response::{Applied, Fault, OpResult, Rejected, Response, TxnResult};
pub use shared_leases::SharedLeases;
pub use txn::record_holds;
