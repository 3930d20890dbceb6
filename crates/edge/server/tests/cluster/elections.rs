//! Leaders come and go; what was acknowledged stays.

use crate::cluster::Cluster;

/// The point of it all: what one member acknowledges, all members have.
#[test]
fn three_members_replicate() {
    let cluster = Cluster::start(3);
    for at in 0..3 {
        cluster.put(at, &format!("k{at}"), "v");
    }
    for at in 0..3 {
        for key in 0..3 {
            let found = cluster.get(at, &format!("k{key}"));
            assert_eq!(found.as_deref(), Some(&b"v"[..]));
        }
        let peers = cluster.network.peers_of(cluster.nodes[at].id());
        assert_eq!(peers.len(), 2);
    }
    cluster.agree();
}

/// A leader that stops is replaced, and comes back as a follower.
#[test]
fn a_leader_stops_and_returns() {
    let mut cluster = Cluster::start(3);
    let old = cluster.leader();
    cluster.put(old, "a", "1");
    cluster.nodes[old].stop();
    let new = cluster.leader();
    assert_ne!(new, old);
    assert_eq!(cluster.get(new, "a").as_deref(), Some(&b"1"[..]));
    cluster.put(new, "a", "2");
    cluster.nodes[old].start();
    cluster.leader();
    assert_eq!(cluster.get(old, "a").as_deref(), Some(&b"2"[..]));
    cluster.put(old, "a", "3");
    cluster.agree();
}

/// A leader without a majority acknowledges nothing; afterwards it follows.
#[test]
fn a_leader_is_cut_off() {
    let cluster = Cluster::start(5);
    let old = cluster.leader();
    cluster.put(old, "a", "1");
    cluster.network.isolate(cluster.nodes[old].id());
    let rest: Vec<usize> = (0..5).filter(|at| *at != old).collect();
    let lost = cluster.nodes[old]
        .begin(async move |handle| handle.propose(crate::cluster::put("a", "lost")).await);
    let new = cluster.leader_of(&rest);
    cluster.put(new, "a", "2");
    assert!(cluster.try_get(old, "a").is_err());
    cluster.network.heal();
    assert!(lost.recv().unwrap().is_err());
    cluster.leader();
    assert_eq!(cluster.get(old, "a").as_deref(), Some(&b"2"[..]));
    cluster.agree();
}

/// Power losses one after the other, and of all members at once: nothing acknowledged is lost.
#[test]
fn killed_members_remember() {
    let mut cluster = Cluster::start(3);
    for round in 0..6 {
        let at = round % 3;
        let key = format!("k{round}");
        cluster.put((at + 1) % 3, &key, "v");
        cluster.nodes[at].kill();
        cluster.put((at + 1) % 3, &key, "w");
        cluster.nodes[at].start();
    }
    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    for round in 0..6 {
        let found = cluster.get(round % 3, &format!("k{round}"));
        assert_eq!(found.as_deref(), Some(&b"w"[..]));
    }
    cluster.agree();
}

/// A planned change of leaders does not wait for a timeout, and loses no request.
#[test]
fn leadership_is_handed_over() {
    let cluster = Cluster::start(3);
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let to = cluster.nodes[follower].id();
    cluster.put(leader, "a", "1");
    let asked = cluster.nodes[leader].ask(async move |handle| handle.transfer_leader(to).await);
    assert_eq!(asked, Ok(()));
    cluster.try_put(leader, "a", "2").unwrap();
    assert_eq!(cluster.leader(), follower);
    cluster.agree();
}
