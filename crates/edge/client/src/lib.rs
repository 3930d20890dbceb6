//! Skeleton of the `client` crate.
