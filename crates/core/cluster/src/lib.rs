//! Skeleton of the `cluster` crate.
