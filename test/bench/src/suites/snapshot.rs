//! Saving a snapshot, and what that does to puts.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use proto::etcdserverpb::SnapshotRequest;

use super::{Bench, CALM, PUT_KEYS, fill, memory_of};
use crate::cluster::Setup;
use crate::load::{self, Load};
use crate::options::Kind;
use crate::process::Usage;
use crate::requests::{Ask, framed};
use crate::results::{Metric, Sample, sample_of};
use crate::table::{Goal, Row};
use crate::target::Target;

const SAVE: &str = "snapshot of all keys";
const BEFORE: &str = "1,000 puts a second, calm";
const MEANWHILE: &str = "1,000 puts a second while snapshots are saved";

pub(super) const ROWS: [Row; 3] = [
    Row {
        load: SAVE,
        metric: Metric::Seconds,
        title: "snapshot save of all keys, s",
        goal: Goal::Ratio(1.0),
    },
    Row {
        load: SAVE,
        metric: Metric::CpuSeconds,
        title: "CPU of that, s",
        goal: Goal::Ratio(1.0),
    },
    Row {
        load: MEANWHILE,
        metric: Metric::P99,
        title: "put p99 while snapshots are saved, times that before",
        goal: Goal::TimesCalm(BEFORE, 1.5),
    },
];

/// Fills one member of each kind, then runs all rounds on it.
pub(super) async fn run(bench: &mut Bench<'_>) -> Result<()> {
    for kind in bench.options.kinds() {
        let run = run_one(kind, bench).await;
        run.with_context(|| format!("snapshots of {kind:?}"))?;
    }
    Ok(())
}

async fn run_one(kind: Kind, bench: &mut Bench<'_>) -> Result<()> {
    let cluster = bench.start(kind, &Setup::default()).await?;
    let targets = cluster.targets();
    fill(&targets, bench.options.keys).await?;
    bench.settle().await?;
    let pids = cluster.pids();
    let calm = Load {
        targets: &targets,
        ask: Ask::Put { keys: PUT_KEYS },
        shape: CALM,
    };
    for _ in 0..bench.options.rounds {
        let before = Usage::of_all(&pids)?;
        let took = save(&targets[0]).await?;
        let used = Usage::of_all(&pids)?.since(before);
        let mut sample = memory_of(cluster.resident()?);
        sample.extend(Sample::from([
            (Metric::Seconds, took.as_secs_f64()),
            (Metric::CpuSeconds, used.cpu_micros / 1e6),
        ]));
        bench.results.add(SAVE, kind, sample);

        bench.measure(BEFORE, kind, &cluster, calm.clone()).await?;
        let window = save_for(&targets[0], bench.options.seconds);
        let (measured, ()) = load::measure(calm.clone(), &pids, window).await?;
        let mut sample = sample_of(&measured);
        sample.remove(&Metric::CpuMicros);
        bench.results.add(MEANWHILE, kind, sample);
    }
    Ok(())
}

/// Receives one snapshot after the other for so many seconds at least.
async fn save_for(target: &Target, seconds: u64) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(seconds) {
        save(target).await?;
    }
    Ok(())
}

/// Receives a snapshot.
async fn save(target: &Target) -> Result<Duration> {
    let begin = Instant::now();
    let mut wire = target.connect("/etcdserverpb.Maintenance/Snapshot").await?;
    wire.call(framed(&SnapshotRequest {}));
    let mut ended = Vec::new();
    while ended.is_empty() {
        wire.turn(&mut ended).await?;
    }
    ensure!(ended[0].message_bytes.is_some(), "the snapshot has failed");
    Ok(begin.elapsed())
}
