//! Skeleton of the `raft` crate.
