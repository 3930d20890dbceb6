//! Skeleton of the `lease` crate.
