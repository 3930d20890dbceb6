//! A member that really stores something else than the others is found, by each of the checks.

use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use bytes::Bytes;
use disk::RealDir;
use harness::{Cluster, Stop, ctl};
use store::{Batch, Entry, Options, Store};
use types::{Record, Revision};

use crate::{agree, id, leader, status};

const ALL: [usize; 3] = [0, 1, 2];

/// Writes a record into a stopped member's store that no log ever had.
fn haunt(data: &Path) {
    let dir = Arc::new(RealDir::new(data.join("member/store")));
    let mut store = Store::open(dir, Options::default(), &mut |_| {}).unwrap();
    let last = store.reader().last_revision();
    let ghost = Record {
        key: Bytes::from_static(b"ghost"),
        create_revision: last.main,
        mod_revision: last.main,
        version: 1,
        ..Record::default()
    };
    let (consistent_index, term) = store.consistent_index();
    let batch = Batch {
        entries: vec![Entry {
            revision: Revision::new(last.main, last.sub + 1),
            tombstone: false,
            record: ghost.encode(),
        }],
        consistent_index,
        term,
        ..Batch::default()
    };
    store.commit(&batch).unwrap();
}

/// A cluster whose follower at the place that comes back is stopped and haunted.
fn haunted(dir: &Path, flags: &[&str]) -> (Cluster, usize) {
    let mut cluster = Cluster::start(dir, 3, flags).unwrap();
    for number in 0..5 {
        ctl::run(&cluster.endpoints(), &["put", &format!("k{number}"), "v"]).unwrap();
    }
    agree(&cluster, &ALL);
    let follower = (leader(&cluster, &ALL) + 1) % 3;
    cluster[follower].stop(Stop::Terminate).unwrap();
    haunt(cluster[follower].data_dir());
    (cluster, follower)
}

/// Waits for the alarm of a member, and checks what it means.
fn alarmed(cluster: &Cluster, member: u64, healthy: usize) {
    let endpoint = [cluster[healthy].endpoint()];
    ctl::eventually("the CORRUPT alarm", || {
        let alarms = ctl::run(&endpoint, &["alarm", "list"])?;
        ensure!(
            alarms.contains(&format!("memberID:{member} alarm:CORRUPT")),
            "{alarms}"
        );
        Ok(())
    })
    .unwrap();
    let refused = ctl::run(&endpoint, &["put", "k", "v"]).unwrap_err();
    let refusal = "etcdserver: corrupt cluster";
    assert!(refused.to_string().contains(refusal), "{refused}");
    // Reads go on, as in etcd.
    ctl::run(&endpoint, &["get", "k0"]).unwrap();
}

/// The member itself compares before it serves, and does not start.
#[test]
fn a_corrupt_member_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--feature-gates=InitialCorruptCheck=true"];
    let (mut cluster, ghostly) = haunted(dir.path(), &flags);
    let refused = cluster[ghostly].restart().unwrap_err().to_string();
    assert!(
        refused.contains("found data inconsistency with peers"),
        "{refused}"
    );
    let others = cluster[(ghostly + 1) % 3].endpoint();
    ctl::run(&[others], &["put", "k", "v"]).unwrap();
}

/// The leader compares the present state now and then.
#[test]
fn the_leader_finds_a_corrupt_member() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cluster, ghostly) = haunted(dir.path(), &["--corrupt-check-time=1s"]);
    cluster[ghostly].restart().unwrap();
    let member = id(&status(&cluster[ghostly].endpoint()).unwrap());
    alarmed(&cluster, member, (ghostly + 1) % 3);
}

/// The leader compares the hashes that compactions leave.
#[test]
fn a_compaction_finds_a_corrupt_member() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        "--feature-gates=CompactHashCheck=true",
        "--compact-hash-check-time=1s",
    ];
    let (mut cluster, ghostly) = haunted(dir.path(), &flags);
    cluster[ghostly].restart().unwrap();
    let member = id(&status(&cluster[ghostly].endpoint()).unwrap());
    let healthy = (ghostly + 1) % 3;
    ctl::run(&[cluster[healthy].endpoint()], &["put", "k0", "w"]).unwrap();
    ctl::run(&[cluster[healthy].endpoint()], &["compaction", "6"]).unwrap();
    alarmed(&cluster, member, healthy);
}
