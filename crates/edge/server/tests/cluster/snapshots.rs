//! Members that are too far behind get the leader's state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proto::etcdserverpb::{CompactionRequest, InternalRaftRequest, LeaseGrantRequest, PutRequest};
use types::{KeyRange, LeaseId};

use crate::cluster::{Cluster, until};

/// A follower that was away while the log was cut comes back whole: keys, leases, members; and
/// goes on from there, also after a restart.
#[test]
fn a_follower_far_behind_catches_up() {
    let mut cluster = Cluster::start(3);
    let (leader, late) = (cluster.leader(), cluster.follower());
    cluster.put(leader, "before", "v");
    cluster.agree();
    cluster.stop_for_long(leader, late);
    let grant = InternalRaftRequest {
        lease_grant: Some(LeaseGrantRequest { ttl: 1000, id: 7 }),
        ..InternalRaftRequest::default()
    };
    let with_lease = InternalRaftRequest {
        put: Some(PutRequest {
            key: "leased".into(),
            value: "v".into(),
            lease: 7,
            ..PutRequest::default()
        }),
        ..InternalRaftRequest::default()
    };
    cluster.propose(leader, &grant);
    cluster.propose(leader, &with_lease).result.unwrap();
    cluster.put_and_cut(leader, "k", 300);
    cluster.nodes[late].start();
    assert_eq!(cluster.get(late, "k299").as_deref(), Some(&b"v"[..]));
    assert!(cluster.network.snapshots() > 0);
    cluster.agree();
    let engine = cluster.nodes[late].engine();
    assert_eq!(engine.leases().lock().keys(LeaseId(7)).count(), 1);
    assert_eq!(engine.membership().members().count(), 3);
    cluster.put(late, "after", "v");
    cluster.agree();
    cluster.nodes[late].kill();
    cluster.put_many(cluster.leader(), "l", 5, "v");
    cluster.nodes[late].start();
    assert_eq!(cluster.get(late, "after").as_deref(), Some(&b"v"[..]));
    assert_eq!(cluster.get(late, "l4").as_deref(), Some(&b"v"[..]));
    cluster.agree();
}

/// Writes go on while the snapshot is made and installed, and nothing of them is lost.
#[test]
fn a_snapshot_is_installed_under_load() {
    let mut cluster = Cluster::start(3);
    let (leader, late) = (cluster.leader(), cluster.follower());
    cluster.stop_for_long(leader, late);
    cluster.put_and_cut(leader, "k", 2000);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let stop = Arc::clone(&stop);
        cluster.nodes[leader].begin(async move |handle| {
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                let request = crate::cluster::put(&format!("w{written}"), "v");
                if handle.propose(request).await.is_ok() {
                    written += 1;
                }
            }
            written
        })
    };
    cluster.nodes[late].start();
    let found = cluster.get(late, "k1999");
    assert_eq!(found.as_deref(), Some(&b"v"[..]));
    stop.store(true, Ordering::Relaxed);
    let written: usize = writer.recv().unwrap();
    let last = format!("w{}", written - 1);
    assert_eq!(cluster.get(late, &last).as_deref(), Some(&b"v"[..]));
    cluster.agree();
}

/// Power losses at any time around an installation leave the old state or the new one.
#[test]
fn kills_during_installation_are_survived() {
    let mut cluster = Cluster::start(3);
    for round in 0..12 {
        let (leader, late) = (cluster.leader(), cluster.follower());
        cluster.stop_for_long(leader, late);
        cluster.put_and_cut(leader, &format!("r{round}-"), 120);
        let before = cluster.network.snapshots();
        cluster.nodes[late].start();
        until("a snapshot", || {
            (cluster.network.snapshots() > before).then_some(())
        });
        // Killed sooner or later after the snapshot has arrived.
        std::thread::sleep(Duration::from_millis(round * 3));
        cluster.nodes[late].kill();
        cluster.nodes[late].start();
        let found = cluster.get(late, &format!("r{round}-119"));
        assert_eq!(found.as_deref(), Some(&b"v"[..]));
    }
    cluster.agree();
}

/// A watcher on a member that installs a snapshot sees every event once, in order.
#[test]
fn watchers_see_what_came_with_a_snapshot() {
    let cluster = Cluster::start(3);
    let (leader, late) = (cluster.leader(), cluster.follower());
    cluster.put(leader, "w", "first");
    cluster.agree();
    let engine = cluster.nodes[late].engine().clone();
    let from = engine.reader().revisions().current;
    let id = cluster.nodes[late].id();
    cluster.network.isolate(id);
    cluster.forget(leader, id);
    cluster.put_and_cut(leader, "w", 200);
    cluster.network.heal();
    assert_eq!(cluster.get(late, "w199").as_deref(), Some(&b"v"[..]));
    assert!(cluster.network.snapshots() > 0);
    let history = engine
        .reader()
        .history(&KeyRange::All, from + 1, 10_000, 1 << 20);
    let revisions = history.unwrap().events;
    assert!(revisions.len() >= 200);
    let expected = from + 1..;
    for (events, expected) in revisions.iter().zip(expected) {
        assert_eq!(events.revision, expected);
    }
}

/// What was compacted on the leader is compacted with the snapshot.
#[test]
fn compaction_travels_with_the_snapshot() {
    let mut cluster = Cluster::start(3);
    let (leader, late) = (cluster.leader(), cluster.follower());
    cluster.stop_for_long(leader, late);
    cluster.put_many(leader, "k", 200, "v");
    let revision = cluster.put(leader, "k0", "w").revision;
    let compact = InternalRaftRequest {
        compaction: Some(CompactionRequest {
            revision,
            physical: true,
        }),
        ..InternalRaftRequest::default()
    };
    cluster.propose(leader, &compact);
    cluster.put_many(leader, "l", 100, "v");
    cluster.nodes[late].start();
    assert_eq!(cluster.get(late, "l99"), Some(Bytes::from("v")));
    let engine = cluster.nodes[late].engine();
    assert_eq!(engine.reader().revisions().compacted, revision);
    cluster.agree();
}
