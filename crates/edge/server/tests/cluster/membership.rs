//! Members come and go while the cluster works.

use cluster::Change;
use server::engine::End;

use crate::cluster::{Cluster, until};

/// A learner receives everything without a vote, gets one, and is removed again.
#[test]
fn a_learner_joins_votes_and_leaves() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    cluster.put_many(leader, "k", 200, "v");
    let learner = cluster.join(leader, "m3", true);
    let at = cluster.nodes.len() - 1;
    until("the learner's state", || {
        let engine = cluster.nodes[at].engine();
        (engine.status().applied() >= cluster.nodes[leader].engine().status().applied())
            .then_some(())
    });
    assert!(cluster.nodes[at].engine().status().is_learner());
    cluster.agree();
    cluster.change(leader, &Change::Promote(learner));
    until("the vote", || {
        (!cluster.nodes[at].engine().status().is_learner()).then_some(())
    });
    let found = cluster.get(at, "k199");
    assert_eq!(found.as_deref(), Some(&b"v"[..]));
    cluster.put(at, "own", "v");
    cluster.agree();
    // Its vote counts: with one of the others down the rest is a majority only with it.
    let down = (0..3).find(|other| *other != cluster.leader()).unwrap();
    cluster.nodes[down].stop();
    cluster.put(at, "three", "of four");
    cluster.nodes[down].start();
    cluster.change(cluster.leader(), &Change::Remove(learner));
    let ending = cluster.nodes[at].engine().ending().clone();
    assert_eq!(ending.wait(), End::Removed);
    cluster.nodes[at].stop();
    let rest = cluster.leader_of(&[0, 1, 2]);
    cluster.put(rest, "after", "v");
    let peers = cluster.network.peers_of(cluster.nodes[rest].id());
    assert_eq!(peers.len(), 2);
}

/// A leader that is removed hands over and ends; the others go on without a pause for a timeout.
#[test]
fn a_leader_is_removed() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let id = cluster.nodes[leader].id();
    cluster.put(leader, "a", "1");
    cluster.change(leader, &Change::Remove(id));
    assert_eq!(cluster.nodes[leader].engine().ending().wait(), End::Removed);
    cluster.nodes[leader].stop();
    let rest: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    let new = cluster.leader_of(&rest);
    cluster.put(new, "a", "2");
    assert_eq!(cluster.get(rest[0], "a").as_deref(), Some(&b"2"[..]));
    assert_eq!(
        cluster.nodes[new].engine().membership().members().count(),
        2
    );
}

/// Operators, and the tools that work for them, do not wait for each other: changes that meet are
/// carried out one after the other, whoever was asked.
#[test]
fn changes_that_meet_are_all_carried_out() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    let learner = |number: u64| {
        let urls = vec![format!("http://new{number}:2380")];
        Change::Add(cluster::Member {
            id: cluster::derive_member_id(&urls, "", Some(number)),
            peer_urls: urls,
            is_learner: true,
            ..cluster::Member::default()
        })
    };
    let changes = (0..9).map(|number| {
        let change = learner(number);
        cluster.nodes[(number % 3) as usize]
            .begin(async move |handle| handle.propose_conf_change(&change).await)
    });
    let changes: Vec<_> = changes.collect();
    for (number, change) in changes.into_iter().enumerate() {
        let applied = change.recv().unwrap();
        // More than one learner is refused, by name, when it is applied.
        assert!(applied.is_ok(), "{number}: {applied:?}");
    }
    until("the members", || {
        let members = cluster.nodes[leader].engine().membership();
        (members.members().count() == 4).then_some(())
    });
    cluster.agree();
}

/// One member grows to three and back to one: a sole voter decides alone again.
#[test]
fn a_cluster_grows_and_shrinks() {
    let mut cluster = Cluster::start(1);
    cluster.put_many(0, "k", 100, "v");
    let second = cluster.join(0, "m1", false);
    cluster.put(1, "two", "v");
    let third = cluster.join(0, "m2", false);
    cluster.put(2, "three", "v");
    cluster.agree();
    assert_eq!(cluster.get(2, "k99").as_deref(), Some(&b"v"[..]));
    let first = cluster.nodes[0].id();
    let at = cluster.leader();
    if at != 0 {
        let asked = cluster.nodes[at].ask(async move |handle| handle.transfer_leader(first).await);
        assert_eq!(asked, Ok(()));
    }
    for (at, id) in [(2, third), (1, second)] {
        cluster.change(0, &Change::Remove(id));
        assert_eq!(cluster.nodes[at].engine().ending().wait(), End::Removed);
        cluster.nodes[at].stop();
    }
    cluster.put(0, "alone", "v");
    assert!(cluster.nodes[0].engine().status().is_sole_leader());
    assert_eq!(cluster.get(0, "three").as_deref(), Some(&b"v"[..]));
}
