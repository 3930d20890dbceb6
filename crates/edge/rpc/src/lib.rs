//! Skeleton of the `rpc` crate.
