//! Whole data directories: handed back to etcd, taken over from it, restored from a snapshot.

#![expect(clippy::unwrap_used, reason = "a test")]

mod kills;
mod refusals;
mod restored;
mod world;
