//! What an operator does when members are lost: one is replaced with a single command, and a cluster
//! without a quorum is recovered from what is left.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use harness::{Cluster, Member, Stop, ctl, program};
use serde_json::Value;

fn ids(endpoints: &[String]) -> Result<Vec<(String, u64, bool)>> {
    let list = ctl::json(endpoints, &["member", "list"])?;
    let members = list["members"].as_array().context("members")?;
    let member = |member: &Value| {
        let name = member["name"].as_str().unwrap_or_default().to_owned();
        let is_learner = member["isLearner"].as_bool().unwrap_or_default();
        (name, member["ID"].as_u64().unwrap_or_default(), is_learner)
    };
    Ok(members.iter().map(member).collect())
}

/// Interrupted after its first step and run again, the command ends with three voters, the old one
/// gone, and every key there.
#[test]
fn a_member_is_replaced_by_one_command() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(dir.path(), 3, &[])?;
    let endpoints = cluster.endpoints();
    for number in 0..20 {
        ctl::run(&endpoints, &["put", &format!("k{number}"), "x"])?;
    }
    let old = ids(&endpoints)?.into_iter().find(|(name, ..)| name == "m0");
    let old = format!("{:x}", old.context("m0")?.1);
    let new = cluster.prepare()?;
    let peer = cluster[new].peer_endpoint();
    let line = ["member", "replace", &old, "--name=m3", "--peer-urls", &peer];

    let mut interrupted = line.to_vec();
    interrupted.push("--wait=1ms");
    let refused = ctl::eventually("the member is added", || {
        let refused = ctl::run(&endpoints, &interrupted).err().context("an end")?;
        ensure!(
            refused.to_string().contains("has not caught up"),
            "{refused}"
        );
        Ok(refused.to_string())
    })?;
    ensure!(refused.contains("ETCD_INITIAL_CLUSTER_STATE") || refused.contains("is there already"));
    ensure!(ids(&endpoints)?.len() == 4, "added once only");

    cluster.join(new, &[0, 1, 2, new])?;
    let said = ctl::run(&endpoints, &line)?;
    ensure!(said.is_empty(), "results alone: {said}");
    // Once more: there is nothing left to do.
    ctl::run(&endpoints[1..], &line)?;
    let rest = [&endpoints[1..], &[cluster[new].endpoint()]].concat();
    let members = ids(&rest)?;
    let names: Vec<&str> = members.iter().map(|(name, ..)| name.as_str()).collect();
    ensure!(
        members.len() == 3 && names.contains(&"m3") && !names.contains(&"m0"),
        "{members:?}"
    );
    ensure!(members.iter().all(|(_, _, is_learner)| !is_learner));
    cluster[0].wait(std::time::Duration::from_secs(60))?;
    let found = ctl::run(
        &[cluster[new].endpoint()],
        &["get", "k", "--prefix", "--count-only", "-w", "fields"],
    )?;
    ensure!(found.contains("\"Count\" : 20"), "{found}");
    Ok(())
}

/// Of three members one is left: what it has starts alone, with everything that was acknowledged.
#[test]
fn a_cluster_without_a_quorum_is_recovered() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(dir.path(), 3, &[])?;
    let endpoints = cluster.endpoints();
    for number in 0..20 {
        ctl::run(&endpoints, &["put", &format!("k{number}"), "x"])?;
    }
    // The first one lags behind. If it led, what was passed on to it is lost with it.
    cluster[0].stop(Stop::Kill)?;
    let put = || ctl::run(&endpoints[1..], &["put", "k20", "x"]);
    put().or_else(|_| put())?;
    cluster[1].stop(Stop::Kill)?;
    cluster[2].stop(Stop::Kill)?;
    let dirs = [0, 1].map(|place: usize| cluster[place].data_dir().display().to_string());
    let target = dir.path().join("recovered");
    let to = format!("--to={}", target.display());

    let utl = |words: &[&str]| -> Result<(bool, String, String)> {
        let output = Command::new(program("etcdutl")?)
            .args(words)
            .stdin(Stdio::null())
            .output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((
            output.status.success(),
            text(output.stdout),
            text(output.stderr),
        ))
    };
    let (good, text, complaint) = utl(&["recover", "-w", "json", &dirs[0], &dirs[1], "nowhere"])?;
    ensure!(good, "{complaint}");
    let verdict: Value = serde_json::from_str(&text)?;
    ensure!(verdict["verdict"]["best"] == 1, "{text}");
    ensure!(verdict["verdict"]["hasQuorum"] == true);
    ensure!(verdict["directories"][2]["problem"] == "no member's files");
    let (good, ..) = utl(&["recover", &to, &dirs[0], &dirs[1]])?;
    ensure!(
        !good && !target.exists(),
        "a quorum is started, and not recovered"
    );

    let (good, text, complaint) = utl(&["recover", "-w", "table", &to, &dirs[1]])?;
    ensure!(good, "{text}{complaint}");
    ensure!(
        text.contains("may be missing") && text.contains("--force-new-cluster"),
        "{text}"
    );
    let mut alone = Member::prepare(&target, dir.path())?;
    let flags = ["--name=m1".to_owned(), "--force-new-cluster".to_owned()];
    alone.set_flags(flags);
    alone.restart()?;
    let own = [alone.endpoint()];
    ensure!(ids(&own)?.len() == 1);
    let found = ctl::run(
        &own,
        &["get", "k", "--prefix", "--count-only", "-w", "fields"],
    )?;
    ensure!(found.contains("\"Count\" : 21"), "{found}");
    ctl::run(&own, &["put", "later", "x"])?;
    Ok(())
}
