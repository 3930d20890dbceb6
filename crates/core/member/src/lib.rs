//! Skeleton of the `member` crate.
