//! `etcdctl` against a cluster.

use std::io::Write as _;
use std::net::TcpStream;

use anyhow::ensure;
use harness::{Cluster, Member, ctl};

use crate::{agree, id, leader, status};

const ALL: [usize; 3] = [0, 1, 2];

/// What operators ask a cluster, and how they move its leader.
#[test]
fn etcdctl_knows_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let first = [cluster[0].endpoint()];
    let run = |line: &[&str]| ctl::run(&first, line).unwrap();
    for command in [&["status"][..], &["health"], &["hashkv"]] {
        let mut line = vec!["endpoint"];
        line.extend(command);
        line.push("--cluster");
        assert_eq!(run(&line).lines().count(), 3, "{line:?}");
    }
    let listed = run(&["member", "list"]);
    assert_eq!(listed.matches(", started, ").count(), 3, "{listed}");
    ctl::eventually("the cluster version", || {
        for endpoint in cluster.endpoints() {
            let version = status(&endpoint)?["storageVersion"].clone();
            ensure!(version == "3.7.0", "{version}");
        }
        Ok(())
    })
    .unwrap();

    // Only the leader moves the leader.
    let old = leader(&cluster, &ALL);
    let new = (old + 1) % 3;
    let target = format!("{:x}", id(&status(&cluster[new].endpoint()).unwrap()));
    let refused = ctl::run(&[cluster[new].endpoint()], &["move-leader", &target]);
    assert!(refused.is_err());
    ctl::run(&cluster.endpoints(), &["move-leader", &target]).unwrap();
    assert_eq!(leader(&cluster, &ALL), new);

    // Leases are kept alive through any member, and expire on all.
    let granted = ctl::json(&first, &["lease", "grant", "60"]).unwrap();
    let lease = format!("{:x}", granted["ID"].as_i64().unwrap());
    run(&["put", "k", "v", &format!("--lease={lease}")]);
    for endpoint in cluster.endpoints() {
        let one = [endpoint];
        let alive = ctl::run(&one, &["lease", "keep-alive", "--once", &lease]).unwrap();
        assert!(alive.contains("TTL(60)"), "{alive}");
        let left = ctl::run(&one, &["lease", "timetolive", "--keys", &lease]).unwrap();
        assert!(left.contains("attached keys([k])"), "{left}");
    }
    let short = ctl::json(&first, &["lease", "grant", "2"]).unwrap();
    let short = format!("{:x}", short["ID"].as_i64().unwrap());
    run(&["put", "short", "v", &format!("--lease={short}")]);
    ctl::eventually("the lease's end", || {
        let found = ctl::run(&first, &["get", "short"])?;
        ensure!(found.is_empty(), "{found}");
        Ok(())
    })
    .unwrap();
    agree(&cluster, &ALL);
}

/// A request of another cluster's member is refused, and said so.
#[test]
fn other_clusters_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let member = Member::start(dir.path(), &[]).unwrap();
    let place = member.peer_endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(&place).unwrap();
    let request = format!(
        "POST /raft HTTP/1.1\r\nHost: {place}\r\nX-Server-From: 1\r\nX-Server-Version: 3.7.1\r\nX-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 412"), "{answer}");
    assert!(answer.contains("cluster ID mismatch"), "{answer}");
}
