//! Skeleton of the `harness` crate.
