//! Whole clusters from one seed: real members, simulated time, network and disks.
//!
//! ```text
//! seed ── Plan ──┬── members   member + apply + wal + store on a faulty disk, in one thread (process/)
//!                ├── clients   puts, reads, transactions, leases, watches (client/)
//!                ├── troubles  crashes, partitions, pauses, loss, clocks, disks, members (world/)
//!                └── checkers  one model, against which everything is held (check/)
//! ```
//! A run is a queue of events. Every part of a member takes its turn some time after it was woken,
//! messages take their time, a disk operation is done at once and known to be done later. All of
//! these times and all troubles come from the seed, so that a run repeats to the byte.
//!
//! At the end the troubles stop, and within a bounded time everything must work: everybody serves
//! reads and writes, has applied the same, watchers have heard everything, leases have ended.

mod bug;
mod check;
mod client;
mod clock;
mod network;
mod plan;
mod process;
mod queue;
mod random;
mod run;
mod sim;
mod trace;
mod violation;
mod world;

pub use bug::Bug;
pub use run::{Failure, Outcome, run, trace};
pub use violation::Violation;
