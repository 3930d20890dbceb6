//! Skeleton of the `bench` crate.
