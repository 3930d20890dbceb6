//! Members come and go.

use std::time::Duration;

use anyhow::ensure;
use harness::{Cluster, Stop, ctl};
use serde_json::Value;

use crate::load::{Load, check};
use crate::{agree, id, leader, status};

fn hex(id: u64) -> String {
    format!("{id:x}")
}

fn member_id(cluster: &Cluster, place: usize) -> u64 {
    id(&status(&cluster[place].endpoint()).unwrap())
}

/// Runs a change of the membership until the members have been connected for long enough.
fn change(endpoints: &[String], line: &[&str]) -> Value {
    let what = line.join(" ");
    ctl::eventually(&what, || ctl::json(endpoints, line)).unwrap()
}

/// A learner is added, catches up, is promoted, and takes the place of a member that is removed, while
/// writes go on; what was removed ends by itself and does not come back.
#[test]
fn a_member_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let endpoints = cluster.endpoints();
    let load = Load::start(endpoints.clone());
    load.advance(20);

    let new = cluster.prepare().unwrap();
    let peer = cluster[new].peer_endpoint();
    let add = ["member", "add", "m3", "--learner", "--peer-urls", &peer];
    let added = change(&endpoints, &add);
    let new_id = added["member"]["ID"].as_u64().unwrap();
    let listed = ctl::run(&endpoints, &["member", "list"]).unwrap();
    assert!(listed.contains("unstarted"), "{listed}");
    cluster.join(new, &[0, 1, 2, new]).unwrap();
    assert_eq!(member_id(&cluster, new), new_id);

    // A learner serves local reads and no others.
    let own = [cluster[new].endpoint()];
    let refused = ctl::run(&own, &["get", "load/", "--prefix", "--count-only"]).unwrap_err();
    let refusal = "etcdserver: rpc not supported for learner";
    assert!(refused.to_string().contains(refusal), "{refused}");
    let local = ["get", "load/00000000", "--consistency=s"];
    ctl::eventually("a local read", || {
        let found = ctl::run(&own, &local)?;
        ensure!(found == "load/00000000\n0\n", "{found}");
        Ok(())
    })
    .unwrap();

    // Asked of a follower, the leader promotes.
    let leading = leader(&cluster, &[0, 1, 2]);
    let follower = [cluster[(leading + 1) % 3].endpoint()];
    change(&follower, &["member", "promote", &hex(new_id)]);
    let again = ctl::run(&follower, &["member", "promote", &hex(new_id)]).unwrap_err();
    let refusal = "etcdserver: can only promote a learner member";
    assert!(again.to_string().contains(refusal), "{again}");

    // The leader itself is removed.
    let gone = leader(&cluster, &[0, 1, 2, new]);
    let gone = if gone == new { 0 } else { gone };
    let gone_id = member_id(&cluster, gone);
    change(&own, &["member", "remove", &hex(gone_id)]);
    // Those who vote tell it to end; without their word it would stay for a minute.
    let ended = cluster[gone].wait(Duration::from_secs(40)).unwrap();
    assert_eq!(ended.code(), Some(0), "{}", cluster[gone].log_end());
    let advice = "\"msg\":\"data-dir used by this member must be removed\"";
    assert!(cluster[gone].has_logged(advice).unwrap());
    let left: Vec<usize> = (0..4).filter(|place| *place != gone).collect();
    let acknowledged = {
        load.advance(20);
        load.stop()
    };
    leader(&cluster, &left);
    agree(&cluster, &left);
    check(&cluster[new].endpoint(), acknowledged);
    let unknown = ctl::run(&own, &["member", "remove", &hex(gone_id)]).unwrap_err();
    assert!(
        unknown.to_string().contains("etcdserver: member not found"),
        "{unknown}"
    );
}

/// A joiner that describes another cluster than the one that is there is told so.
#[test]
fn joiners_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), 1, &[]).unwrap();
    let new = cluster.prepare().unwrap();
    let refusal = cluster.join(new, &[0, new]).unwrap_err();
    assert!(
        refusal.to_string().contains("member count is unequal"),
        "{refusal}"
    );
    let refusal = cluster.join(new, &[new]).unwrap_err();
    let text = "could not retrieve cluster information from the given URLs";
    assert!(refusal.to_string().contains(text), "{refusal}");

    // Two unstarted voters would be more than one started can bear.
    let endpoints = cluster.endpoints();
    let peer = cluster[new].peer_endpoint();
    ctl::run(&endpoints, &["member", "add", "m1", "--peer-urls", &peer]).unwrap();
    cluster.join(new, &[0, new]).unwrap();
    agree(&cluster, &[0, new]);
    // Once the log knows the members, the flags say nothing any more.
    cluster[new].stop(Stop::Terminate).unwrap();
    cluster[new].set_flags([
        "--name=m1".to_owned(),
        "--initial-cluster=m1=http://h:1".to_owned(),
    ]);
    cluster[new].restart().unwrap();
    agree(&cluster, &[0, new]);
}
