//! Skeleton of the `proto` crate.
