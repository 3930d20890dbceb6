//! How long three members serve no writes after the leader's process was killed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use proto::etcdserverpb::{PutRequest, PutResponse};
use tokio::task::JoinSet;

use super::Bench;
use crate::cluster::{Cluster, Setup};
use crate::random::Random;
use crate::results::{Metric, Sample};
use crate::table::{Goal, Row};
use crate::target::Target;

const FAILOVER: &str = "leader killed, until a survivor has put";

/// Time between two attempts; an attempt that was lost with the leader may never be answered.
const ATTEMPT: Duration = Duration::from_millis(10);
/// How long a cluster rests before its leader is killed, and at random as much again: kills must not
/// fall together with the members' ticks.
const CALM_MILLIS: u64 = 500;

pub(super) const ROWS: [Row; 1] = [Row {
    load: FAILOVER,
    metric: Metric::Seconds,
    title: "new leader after kill -9 of the old one, until a put succeeds, s",
    goal: Goal::Ratio(1.0),
}];

/// Kills as many leaders of each kind in turn.
pub(super) async fn run(bench: &mut Bench<'_>) -> Result<()> {
    let setup = Setup {
        others: 2,
        ..Setup::default()
    };
    let mut clusters = Vec::new();
    for kind in bench.options.kinds() {
        clusters.push((kind, bench.start(kind, &setup).await?));
    }
    let mut random = Random::new(1);
    for _ in 0..bench.options.kills {
        for (kind, cluster) in &mut clusters {
            let pause = CALM_MILLIS + random.below(CALM_MILLIS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let took = kill_leader(cluster).await;
            let took = took.with_context(|| format!("three members of {kind:?}"))?;
            let sample = Sample::from([(Metric::Seconds, took.as_secs_f64())]);
            bench.results.add(FAILOVER, *kind, sample);
        }
    }
    Ok(())
}

/// Kills the leader, and waits until a put succeeds; then the leader comes back.
async fn kill_leader(cluster: &mut Cluster) -> Result<Duration> {
    let leader = cluster.leader().await?;
    let mut survivors = cluster.targets();
    survivors.remove(leader);
    let begin = Instant::now();
    cluster.members[leader].kill()?;
    put_through(&survivors).await?;
    let took = begin.elapsed();
    let returned = &mut cluster.members[leader];
    returned.respawn()?;
    returned.answers().await?;
    Ok(took)
}

/// Puts through each of them, again and again, until one has done it.
async fn put_through(survivors: &[Target]) -> Result<()> {
    let mut attempts = JoinSet::new();
    let mut ticks = tokio::time::interval(ATTEMPT);
    loop {
        tokio::select! {
            Some(done) = attempts.join_next() => {
                let done: Result<PutResponse> = done?;
                if done.is_ok() {
                    return Ok(());
                }
            }
            _ = ticks.tick() => {
                for survivor in survivors {
                    let survivor = survivor.clone();
                    attempts.spawn_local(async move { put(&survivor).await });
                }
            }
        }
    }
}

async fn put(target: &Target) -> Result<PutResponse> {
    let put = PutRequest {
        key: b"/bench/failover".as_slice().into(),
        value: b"done".as_slice().into(),
        ..PutRequest::default()
    };
    target.call("/etcdserverpb.KV/Put", &put).await
}
