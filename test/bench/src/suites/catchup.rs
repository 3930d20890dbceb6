//! Puts while a follower that is far behind catches up.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Bench, CALM, HUNDRED, PUT_KEYS, REST, memory_of};
use crate::cluster::{Cluster, Member, Setup};
use crate::load::{self, Load};
use crate::options::Kind;
use crate::requests::Ask;
use crate::results::{Metric, sample_of};
use crate::table::{Goal, Row};

const BEFORE: &str = "1,000 puts a second, calm";
const MEANWHILE: &str = "1,000 puts a second, a follower catches up";

/// How often the follower is asked where it is.
const LOOK: Duration = Duration::from_millis(100);

pub(super) const ROWS: [Row; 2] = [
    Row {
        load: MEANWHILE,
        metric: Metric::P99,
        title: "put p99 while a follower that is far behind catches up, times that before",
        goal: Goal::TimesCalm(BEFORE, 1.5),
    },
    Row {
        load: MEANWHILE,
        metric: Metric::Seconds,
        title: "from that follower's start until it has caught up, s",
        goal: Goal::Ratio(1.0),
    },
];

/// Both kinds in turn: a single sync that the disk is slow at decides about a round.
pub(super) async fn run(bench: &mut Bench<'_>) -> Result<()> {
    for _ in 0..bench.options.rounds {
        for kind in bench.options.kinds() {
            let run = run_one(kind, bench).await;
            run.with_context(|| format!("three members of {kind:?}"))?;
        }
    }
    Ok(())
}

async fn run_one(kind: Kind, bench: &mut Bench<'_>) -> Result<()> {
    let setup = Setup {
        others: 2,
        ..Setup::default()
    };
    let mut cluster = bench.start(kind, &setup).await?;
    let leader = cluster.leader().await?;
    // A new member makes room for its log, which is over soon.
    tokio::time::sleep(REST).await;
    bench.settle().await?;
    let to_leader = &cluster.targets()[leader..=leader];
    let calm = Load {
        targets: to_leader,
        ask: Ask::Put { keys: PUT_KEYS },
        shape: CALM,
    };
    bench.measure(BEFORE, kind, &cluster, calm.clone()).await?;

    let follower = (leader + 1) % cluster.members.len();
    cluster.members[follower].kill()?;
    let count = bench.options.entries;
    let ask = Ask::Puts {
        count,
        keys: PUT_KEYS,
    };
    let shape = HUNDRED;
    let targets = to_leader;
    Load {
        targets,
        ask,
        shape,
    }
    .run_to_end()
    .await?;

    bench.settle().await?;
    let begin = Instant::now();
    let pids = [cluster.members[leader].pid()];
    let returned = return_to(&mut cluster, leader, follower);
    let (measured, took) = load::measure(calm, &pids, returned).await?;
    let mut sample = sample_of(&measured);
    sample.extend(memory_of(cluster.resident()?));
    sample.insert(Metric::Seconds, took.as_secs_f64());
    bench.results.add(MEANWHILE, kind, sample);
    eprintln!("{:?} in all", begin.elapsed());
    Ok(())
}

/// Starts the follower, and waits until it has applied what the leader had committed then.
async fn return_to(cluster: &mut Cluster, leader: usize, follower: usize) -> Result<Duration> {
    let begin = Instant::now();
    let goal = cluster.members[leader].status().await?.raft_index;
    let follower: &mut Member = &mut cluster.members[follower];
    follower.respawn()?;
    follower.answers().await?;
    while follower.status().await?.raft_applied_index < goal {
        tokio::time::sleep(LOOK).await;
    }
    Ok(begin.elapsed())
}
