//! Locks and elections, made of leases, transactions and watches.
//!
//! Whoever wants the lock writes a key `<name>/<lease in hex>` that lives as long as its lease. The
//! keys queue by their creation revision: the oldest holds the lock, everybody else waits until
//! all older keys are gone. An election is the same queue with a value in the key.

mod election;
mod lock;
mod queue;
mod session;

pub use election::{Candidate, Election};
pub use lock::{Lock, LockGuard};
pub use queue::prefix_end;
pub use session::Session;
