//! Leases outlive leaders, and their time goes on.

use proto::etcdserverpb::{InternalRaftRequest, LeaseGrantRequest};
use types::LeaseId;

use crate::cluster::{Cluster, until};

const LEASE: LeaseId = LeaseId(7);
/// Far longer than any machine needs for this test.
const TTL: i64 = 10_000;

/// Grants the lease; who led then.
fn grant(cluster: &Cluster) -> usize {
    let grant = LeaseGrantRequest {
        id: LEASE.0,
        ttl: TTL,
    };
    let request = InternalRaftRequest {
        lease_grant: Some(grant),
        ..InternalRaftRequest::default()
    };
    let leader = cluster.leader();
    cluster.propose(leader, &request);
    leader
}

/// The rest that a member would begin with as leader; 0 while it has not heard of it.
fn noted(cluster: &Cluster, at: usize) -> i64 {
    let leases = cluster.nodes[at].engine().leases().lock();
    leases.record(LEASE).map_or(0, |record| record.remaining)
}

fn left(cluster: &Cluster, at: usize) -> Option<i64> {
    let engine = cluster.nodes[at].engine();
    let left = engine.leases().lock().time_to_live(LEASE, engine.now());
    left?.remaining
}

/// Without this, a lease never ends in a cluster whose leaders change more often than it lasts.
#[test]
fn a_new_leader_goes_on_with_what_is_left() {
    let mut cluster = Cluster::start(3);
    let granted_by = grant(&cluster);
    // All have noted that two seconds are gone: more than the next leader adds.
    let gone = |cluster: &Cluster, at| {
        let noted = noted(cluster, at);
        noted > 0 && noted <= TTL - 2
    };
    until("checkpoints", || {
        (0..3).all(|at| gone(&cluster, at)).then_some(())
    });
    until("another leader", || {
        let leader = cluster.leader();
        if leader != granted_by {
            return Some(());
        }
        let to = cluster.nodes[cluster.follower()].id();
        let _ = cluster.nodes[leader].ask(async move |handle| handle.transfer_leader(to).await);
        None
    });
    let left_now = until("the new leader's clock", || {
        let leader = cluster.leader();
        left(&cluster, leader)
    });
    assert!(left_now < TTL, "{left_now}");
    // What is noted is stored: it holds after everybody has lost power, too.
    for at in 0..3 {
        let commit = cluster.nodes[at].engine().status().applied();
        until("a commit of the store", || {
            let stored = cluster.nodes[at].engine().files().consistent_index().0;
            (stored >= commit).then_some(())
        });
    }
    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    let left_now = until("the next leader's clock", || {
        let leader = cluster.leader();
        left(&cluster, leader)
    });
    assert!(left_now < TTL, "{left_now}");
}
