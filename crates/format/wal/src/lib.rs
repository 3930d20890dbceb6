//! Skeleton of the `wal` crate.
