//! One member: the loads of a fresh store and of a full one.

use std::time::Instant;

use anyhow::{Context as _, Result};

use super::{Bench, HUNDRED, ONE, PUT_KEYS, THOUSAND, fill, memory_at_rest, memory_of};
use crate::cluster::{Cluster, Setup};
use crate::load::Load;
use crate::options::{Kind, Scenario};
use crate::process::Usage;
use crate::requests::Ask;
use crate::results::{Metric, Sample};
use crate::table::{Goal, Row};

const fn row(load: Scenario, metric: Metric, title: &'static str, goal: Goal) -> Row {
    Row {
        load: load.title(),
        metric,
        title,
        goal,
    }
}

pub(super) const ROWS: [Row; 9] = [
    row(
        Scenario::Put,
        Metric::CpuMicros,
        "CPU a put, µs",
        Goal::Ratio(0.33),
    ),
    row(
        Scenario::Get,
        Metric::CpuMicros,
        "CPU a linearizable get, µs",
        Goal::Ratio(0.33),
    ),
    row(
        Scenario::Empty,
        Metric::Resident,
        "resident memory without keys, MB",
        Goal::Ratio(0.6),
    ),
    row(
        Scenario::Memory,
        Metric::Resident,
        "resident memory with all keys, MB",
        Goal::Ratio(0.4),
    ),
    row(
        Scenario::Page,
        Metric::CpuMicros,
        "CPU of the first page of 500 with count, µs",
        Goal::Ratio(0.05),
    ),
    row(
        Scenario::Start,
        Metric::Seconds,
        "start after kill -9, s",
        Goal::Ratio(0.5),
    ),
    row(
        Scenario::Start,
        Metric::CpuSeconds,
        "CPU of that start, s",
        Goal::Ratio(0.5),
    ),
    row(
        Scenario::Single,
        Metric::P50,
        "one put at a time, p50, µs",
        Goal::Ratio(1.0),
    ),
    row(
        Scenario::Many,
        Metric::Throughput,
        "puts a second, 1,000 clients",
        Goal::AtLeast(20_000.0),
    ),
];

/// Runs all rounds. The servers take turns within a round, so that a machine that becomes slower is
/// slower for both.
pub(super) async fn run(bench: &mut Bench<'_>) -> Result<()> {
    for _ in 0..bench.options.rounds {
        for scenario in [
            Scenario::Empty,
            Scenario::Single,
            Scenario::Put,
            Scenario::Many,
        ] {
            if !bench.options.wants(scenario) {
                continue;
            }
            for kind in bench.options.kinds() {
                let run = run_fresh(scenario, kind, bench).await;
                run.with_context(|| format!("{scenario:?} on {kind:?}"))?;
            }
        }
        for kind in bench.options.kinds() {
            let run = run_loaded(kind, bench).await;
            run.with_context(|| format!("full store on {kind:?}"))?;
        }
    }
    Ok(())
}

async fn run_fresh(scenario: Scenario, kind: Kind, bench: &mut Bench<'_>) -> Result<()> {
    let cluster = bench.start(kind, &Setup::default()).await?;
    let shape = match scenario {
        Scenario::Single => ONE,
        Scenario::Many => THOUSAND,
        Scenario::Empty => {
            let sample = memory_at_rest(&cluster).await?;
            bench.results.add(scenario.title(), kind, sample);
            return Ok(());
        }
        _ => HUNDRED,
    };
    let load = Load {
        targets: &cluster.targets(),
        ask: Ask::Put { keys: PUT_KEYS },
        shape,
    };
    bench.measure(scenario.title(), kind, &cluster, load).await
}

/// Loads all keys, and runs the scenarios that need them.
async fn run_loaded(kind: Kind, bench: &mut Bench<'_>) -> Result<()> {
    let loaded = [
        Scenario::Memory,
        Scenario::Get,
        Scenario::Page,
        Scenario::Start,
    ];
    debug_assert!(loaded.into_iter().all(Scenario::is_loaded));
    if !loaded
        .into_iter()
        .any(|scenario| bench.options.wants(scenario))
    {
        return Ok(());
    }
    let keys = bench.options.keys;
    let mut cluster = bench.start(kind, &Setup::default()).await?;
    let targets = cluster.targets();
    fill(&targets, keys).await?;
    for scenario in loaded {
        if !bench.options.wants(scenario) {
            continue;
        }
        let title = scenario.title();
        let (ask, shape) = match scenario {
            Scenario::Get => (Ask::Get { keys }, HUNDRED),
            Scenario::Page => (Ask::Page, ONE),
            _ => {
                let sample = match scenario {
                    Scenario::Memory => memory_at_rest(&cluster).await?,
                    _ => restart(&mut cluster).await?,
                };
                bench.results.add(title, kind, sample);
                continue;
            }
        };
        let targets = &targets;
        let load = Load {
            targets,
            ask,
            shape,
        };
        bench.measure(title, kind, &cluster, load).await?;
    }
    Ok(())
}

/// From the start after a crash to the first answer.
async fn restart(cluster: &mut Cluster) -> Result<Sample> {
    let member = &mut cluster.members[0];
    member.kill()?;
    let begin = Instant::now();
    member.respawn()?;
    member.answers().await?;
    let took = begin.elapsed();
    let usage = Usage::of(member.pid())?;
    let mut sample = memory_of(cluster.resident()?);
    sample.insert(Metric::Seconds, took.as_secs_f64());
    sample.insert(Metric::CpuSeconds, usage.cpu_micros / 1e6);
    Ok(sample)
}
