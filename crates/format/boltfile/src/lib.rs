//! Skeleton of the `boltfile` crate.
