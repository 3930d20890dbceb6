//! Skeleton of the `mvcc` crate.
