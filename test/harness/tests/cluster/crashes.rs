//! What survives kill -9 of one member, of the leader, and of all.

use harness::{Cluster, Stop, ctl};

use crate::load::{Load, check};
use crate::{agree, leader};

const ALL: [usize; 3] = [0, 1, 2];

fn without(place: usize) -> [usize; 2] {
    [(place + 1) % 3, (place + 2) % 3]
}

/// Whatever was acknowledged is there on every member, whoever died.
#[test]
fn acknowledged_writes_survive_every_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let load = Load::start(cluster.endpoints());
    load.advance(50);
    for _ in 0..2 {
        let old = leader(&cluster, &ALL);
        cluster[old].stop(Stop::Kill).unwrap();
        load.advance(30);
        let new = leader(&cluster, &without(old));
        assert_ne!(new, old);
        cluster[old].restart().unwrap();
        load.advance(10);
    }
    for place in ALL {
        cluster[place].stop(Stop::Kill).unwrap();
    }
    for place in ALL {
        cluster[place].spawn().unwrap();
    }
    for place in ALL {
        cluster[place].await_ready().unwrap();
    }
    load.advance(30);
    let acknowledged = load.stop();
    agree(&cluster, &ALL);
    for endpoint in cluster.endpoints() {
        check(&endpoint, acknowledged);
    }
    println!("{acknowledged} writes acknowledged over four kills: none lost");
}

/// A member that missed more than the others keep in their logs is brought back by a snapshot, while
/// writes go on.
#[test]
fn a_member_far_behind_gets_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--snapshot-count=100", "--snapshot-catchup-entries=10"];
    let mut cluster = Cluster::start(dir.path(), 3, &flags).unwrap();
    let leading = leader(&cluster, &ALL);
    let behind = (leading + 1) % 3;
    let load = Load::start(cluster.endpoints());
    load.advance(20);
    cluster[behind].stop(Stop::Kill).unwrap();
    load.advance(1000);
    cluster[behind].restart().unwrap();
    load.advance(100);
    let acknowledged = load.stop();
    agree(&cluster, &ALL);
    check(&cluster[behind].endpoint(), acknowledged);
    // What it got by the snapshot outlives its process.
    cluster[behind].stop(Stop::Kill).unwrap();
    cluster[behind].restart().unwrap();
    agree(&cluster, &ALL);
    check(&cluster[behind].endpoint(), acknowledged);
}

/// A stopped leader hands over before it goes: nobody waits for an election.
#[test]
fn sigterm_hands_leadership_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let load = Load::start(cluster.endpoints());
    load.advance(20);
    for _ in 0..3 {
        let old = leader(&cluster, &ALL);
        cluster[old].stop(Stop::Terminate).unwrap();
        assert!(
            cluster[old]
                .has_logged("leadership transfer finished")
                .unwrap(),
            "{}",
            cluster[old].log_end()
        );
        load.advance(20);
        cluster[old].restart().unwrap();
    }
    let acknowledged = load.stop();
    agree(&cluster, &ALL);
    for endpoint in cluster.endpoints() {
        check(&endpoint, acknowledged);
    }
    let health = ctl::run(&cluster.endpoints(), &["endpoint", "health", "--cluster"]);
    assert_eq!(health.unwrap().lines().count(), 3);
}
