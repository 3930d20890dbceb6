//! Three real members: what one of them does for the others, and what survives which of them.
#![expect(clippy::unwrap_used, reason = "a test")]

mod commands;
mod corruption;
mod crashes;
mod load;
mod members;
mod operators;

use harness::Cluster;
use harness::view::{id, status};

fn leader(cluster: &Cluster, places: &[usize]) -> usize {
    harness::view::leader(cluster, places).unwrap()
}

fn agree(cluster: &Cluster, places: &[usize]) {
    harness::view::agree(cluster, places).unwrap();
}
