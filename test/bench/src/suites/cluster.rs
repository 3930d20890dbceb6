//! Three members on one machine.

use anyhow::{Context as _, Result};

use super::{Bench, HUNDRED, PUT_KEYS, memory_at_rest};
use crate::cluster::Setup;
use crate::load::{Load, Shape};
use crate::options::Kind;
use crate::process;
use crate::requests::Ask;
use crate::results::Metric;
use crate::table::{Goal, Row};

const IDLE: &str = "three members, idle";
const PUT: &str = "put, 100 clients over all members";
const PUT_LEADER: &str = "put, 100 clients of the leader";
const GET: &str = "linearizable get, 100 clients over all members";
const GET_WRITTEN: &str = "linearizable get, 10 clients, while 100 put";
const PUT_PAUSED: &str = "put, 100 clients of the leader, a follower stopped";

/// Connections go to the members in turn, so that each has as many.
const OVER_ALL: Shape = Shape::eager(9, 11);
const READERS: Shape = Shape::eager(10, 1);

pub(super) const ROWS: [Row; 6] = [
    Row {
        load: PUT,
        metric: Metric::CpuMicros,
        title: "CPU a put, all three members, µs",
        goal: Goal::Ratio(0.35),
    },
    Row {
        load: PUT_LEADER,
        metric: Metric::CpuMicros,
        title: "the same when all puts go to the leader",
        goal: Goal::Ratio(0.35),
    },
    Row {
        load: GET,
        metric: Metric::CpuMicros,
        title: "CPU a linearizable get, all three members, µs",
        goal: Goal::Ratio(0.35),
    },
    Row {
        load: GET_WRITTEN,
        metric: Metric::P99,
        title: "linearizable get while another client writes at full rate, p99, µs",
        goal: Goal::Ratio(0.5),
    },
    Row {
        load: PUT_PAUSED,
        metric: Metric::P99,
        title: "put p99 with a follower stopped, times that without",
        goal: Goal::TimesCalm(PUT_LEADER, 1.5),
    },
    Row {
        load: IDLE,
        metric: Metric::Resident,
        title: "resident memory of three idle members, MB",
        goal: Goal::Ratio(0.6),
    },
];

/// Runs all rounds, the servers in turn.
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
    let cluster = bench.start(kind, &setup).await?;
    let all = cluster.targets();
    bench
        .results
        .add(IDLE, kind, memory_at_rest(&cluster).await?);

    let over_all = |ask, shape| Load {
        targets: &all,
        ask,
        shape,
    };
    let put = Ask::Put { keys: PUT_KEYS };
    let get = Ask::Get { keys: PUT_KEYS };
    bench
        .measure(PUT, kind, &cluster, over_all(put, OVER_ALL))
        .await?;
    let leader = cluster.leader().await?;
    let to_leader = Load {
        targets: &all[leader..=leader],
        ask: put,
        shape: HUNDRED,
    };
    bench
        .measure(PUT_LEADER, kind, &cluster, to_leader.clone())
        .await?;
    bench
        .measure(GET, kind, &cluster, over_all(get, OVER_ALL))
        .await?;

    let writing = over_all(put, OVER_ALL).start();
    let mut sample = bench.sample(&cluster, over_all(get, READERS)).await?;
    writing.stop()?;
    // It would be that of the puts too.
    // These would be those of the puts too.
    sample.remove(&Metric::CpuMicros);
    sample.remove(&Metric::WrittenBytes);
    bench.results.add(GET_WRITTEN, kind, sample);

    let paused = cluster.members[(leader + 1) % cluster.members.len()].pid();
    process::pause(paused, true)?;
    let measured = bench.measure(PUT_PAUSED, kind, &cluster, to_leader).await;
    process::pause(paused, false)?;
    measured
}
