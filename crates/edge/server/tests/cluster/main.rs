//! Clusters of several engines in one process, over a network of channels and disks in memory.
//!
//! Real threads, real clocks: what is waited for is asked for again until it holds or a generous
//! deadline has passed. Exact interleavings are the simulator's business.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod cluster;
mod network;
mod node;

mod bootstrap;
mod elections;
mod leases;
mod membership;
mod reads;
mod snapshots;
