//! Skeleton of the `store` crate.
