//! Skeleton of the `watch` crate.
