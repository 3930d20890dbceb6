//! Leases: which exist, which keys hang on them, and when the leader should revoke them.
//!
//! [`LeaseTable`] is a pure table. What is replicated (grant, revoke, checkpoint, attachments)
//! changes the same way on every member; deadlines are the leader's own business and never decide
//! an outcome. Time comes in as [`Instant`] arguments. The table does not delete keys and does not
//! write records: it says which keys to delete and which [`LeaseRecord`] to store.
//!
//! ```text
//! replica     grant  revoke  checkpoint  attach  detach  restore      same on every member
//! primary     promote  renew  expired  checkpoints_due  demote        the leader's clock only
//! ```
//! A member that is not primary holds every lease for ever; being promoted arms them all anew.

mod attachments;
mod queue;
mod record;
mod table;
mod time;

pub use record::{DecodeLeaseError, LeaseRecord};
pub use table::{GrantError, LeaseNotFound, LeaseTable, Options, RenewError, Renewed, TimeToLive};
pub use time::Instant;
