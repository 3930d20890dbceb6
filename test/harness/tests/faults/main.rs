//! Clusters of real processes under real faults: several Go clients use a few keys through all members
//! meanwhile, and what they were told must be linearizable, and their watches whole.
//!
//! `FAULT_ROUNDS` repeats the troubles of each test; `FAULTS=proxy` does without network namespaces.
#![expect(clippy::unwrap_used, reason = "a test")]

mod disks;
mod network;
mod processes;
mod rolling;
mod scene;
mod snapshots;
