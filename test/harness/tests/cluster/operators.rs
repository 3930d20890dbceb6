//! What operators do with a cluster in trouble, or before a change of versions.

use std::process::{Command, Stdio};

use anyhow::ensure;
use harness::{Cluster, Member, Stop, ctl, program};

use crate::{agree, leader, status};

const ALL: [usize; 3] = [0, 1, 2];

/// Two of three are lost for ever: the third goes on alone with all its data, and grows again.
#[test]
fn a_new_cluster_is_forced() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    ctl::run(&cluster.endpoints(), &["put", "kept", "v"]).unwrap();
    agree(&cluster, &ALL);
    let old = status(&cluster[0].endpoint()).unwrap();
    for place in ALL {
        cluster[place].stop(Stop::Kill).unwrap();
    }
    let peer = cluster[0].peer_endpoint();
    let flags = |more: &[&str]| {
        let mut flags = vec![
            "--name=m0".to_owned(),
            format!("--initial-cluster=m0={peer}"),
        ];
        flags.extend(more.iter().map(ToString::to_string));
        flags
    };
    cluster[0].set_flags(flags(&["--force-new-cluster"]));
    cluster[0].restart().unwrap();
    let alone = [cluster[0].endpoint()];
    assert_eq!(ctl::run(&alone, &["get", "kept"]).unwrap(), "kept\nv\n");
    assert_eq!(
        ctl::run(&alone, &["member", "list"])
            .unwrap()
            .lines()
            .count(),
        1
    );
    let new = status(&alone[0]).unwrap();
    for same in ["cluster_id", "member_id"] {
        assert_eq!(new["header"][same], old["header"][same], "{same}");
    }
    ctl::run(&alone, &["put", "more", "v"]).unwrap();

    // It stays so without the flag, and takes members again.
    cluster[0].stop(Stop::Kill).unwrap();
    cluster[0].set_flags(flags(&[]));
    cluster[0].restart().unwrap();
    let added = cluster.prepare().unwrap();
    let peer = cluster[added].peer_endpoint();
    let add = ["member", "add", "m3", "--peer-urls", &peer];
    ctl::eventually("the new member", || ctl::run(&alone, &add)).unwrap();
    cluster.join(added, &[0, added]).unwrap();
    agree(&cluster, &[0, added]);
    let found = ctl::run(&[cluster[added].endpoint()], &["get", "more"]).unwrap();
    assert_eq!(found, "more\nv\n");
}

/// A downgrade is checked, begun and taken back; the cluster's version follows on every member.
#[test]
fn a_downgrade_is_prepared() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let endpoints = cluster.endpoints();
    let version = |version: &str, storage: &str| {
        ctl::eventually(&format!("cluster version {version}"), || {
            for place in ALL {
                let url = cluster[place].endpoint();
                let said = status(&url)?;
                ensure!(said["storageVersion"] == storage, "{said}");
                let listed = ctl::http_get(&url, "/version")?;
                ensure!(
                    listed.contains(&format!("\"etcdcluster\":\"{version}\"")),
                    "{listed}"
                );
            }
            Ok(())
        })
        .unwrap();
    };
    version("3.7.0", "3.7.0");
    for refused in ["3.5", "3.8", "3.7"] {
        let refusal = ctl::run(&endpoints, &["downgrade", "validate", refused]).unwrap_err();
        let text = "etcdserver: invalid downgrade target version";
        assert!(refusal.to_string().contains(text), "{refused}: {refusal}");
    }
    ctl::run(&endpoints, &["downgrade", "validate", "3.6"]).unwrap();
    ctl::run(&endpoints, &["downgrade", "enable", "3.6"]).unwrap();
    let again = ctl::run(&endpoints, &["downgrade", "validate", "3.6"]).unwrap_err();
    assert!(
        again.to_string().contains("downgrade job in progress"),
        "{again}"
    );
    version("3.6.0", "3.6.0");
    let ready = "\"msg\":\"The server is ready to downgrade\"";
    for member in ALL {
        assert!(cluster[member].has_logged(ready).unwrap(), "{member}");
    }
    ctl::run(&endpoints, &["put", "k", "v"]).unwrap();
    ctl::run(&endpoints, &["downgrade", "cancel"]).unwrap();
    version("3.7.0", "3.7.0");
    agree(&cluster, &ALL);
}

/// A mirror of a cluster follows it over the loss of the leader, and over a change of endpoints.
#[test]
fn a_cluster_is_mirrored() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let other = tempfile::tempdir().unwrap();
    let mirror = Member::start(other.path(), &[]).unwrap();
    let endpoints = cluster.endpoints();
    ctl::run(&endpoints, &["put", "a/1", "v"]).unwrap();
    let mut mirroring = Command::new(program("etcdctl").unwrap())
        .arg(format!("--endpoints={}", endpoints.join(",")))
        .args([
            "make-mirror",
            "--prefix=a/",
            "--dest-prefix=b/",
            &mirror.endpoint(),
        ])
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let arrives = |key: &str| {
        ctl::eventually(key, || {
            let found = ctl::run(&[mirror.endpoint()], &["get", key])?;
            ensure!(found == format!("{key}\nv\n"), "{found}");
            Ok(())
        })
    };
    arrives("b/1").unwrap();
    let old = leader(&cluster, &ALL);
    cluster[old].stop(Stop::Kill).unwrap();
    let put = |key: &str| ctl::eventually(key, || ctl::run(&endpoints, &["put", key, "v"]));
    put("a/2").unwrap();
    let arrived = arrives("b/2");
    mirroring.kill().unwrap();
    mirroring.wait().unwrap();
    arrived.unwrap();
}

/// Whichever member is gone, a client that knows all of them is served.
#[test]
fn clients_go_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let endpoints = cluster.endpoints();
    for gone in ALL {
        cluster[gone].stop(Stop::Kill).unwrap();
        let put = ["put", "k", "v"];
        ctl::eventually("a write", || ctl::run(&endpoints, &put)).unwrap();
        assert_eq!(ctl::run(&endpoints, &["get", "k"]).unwrap(), "k\nv\n");
        let alive = [cluster[(gone + 1) % 3].endpoint()];
        let health = ctl::run(
            &alive,
            &["endpoint", "health", "--cluster", "--command-timeout=3s"],
        )
        .unwrap_err();
        let health = health.to_string();
        assert_eq!(health.matches("is healthy").count(), 2, "{health}");
        assert_eq!(health.matches("is unhealthy").count(), 1, "{health}");
        cluster[gone].restart().unwrap();
        leader(&cluster, &ALL);
    }
    agree(&cluster, &ALL);
}
