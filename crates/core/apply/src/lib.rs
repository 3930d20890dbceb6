//! Skeleton of the `apply` crate.
