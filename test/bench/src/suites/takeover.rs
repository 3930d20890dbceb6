//! The start on a large directory of the published etcd, beside its own start.

use std::time::Instant;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{Bench, HUNDRED};
use crate::cluster::{Cluster, Setup};
use crate::load::Load;
use crate::options::Kind;
use crate::process::Usage;
use crate::requests::Ask;
use crate::results::{Metric, Sample};
use crate::table::{Goal, Row};

const FIRST: &str = "start on a directory of etcd";
const SECOND: &str = "start after that";

/// Bytes of a value: with its key a page of the database holds one.
const VALUE_BYTES: usize = 2_000;

pub(super) const ROWS: [Row; 2] = [
    Row {
        load: FIRST,
        metric: Metric::Seconds,
        title: "first start on a large directory of etcd, s",
        goal: Goal::Ratio(3.0),
    },
    Row {
        load: SECOND,
        metric: Metric::Seconds,
        title: "the start after that, s",
        goal: Goal::Ratio(1.0),
    },
];

/// Once: the published etcd fills a directory and starts on it again, then ours does.
pub(super) async fn run(bench: &mut Bench<'_>) -> Result<()> {
    let mut dir = filled(bench).await.context("the directory to take over")?;
    for kind in [Kind::Reference, Kind::Ours] {
        for title in [FIRST, SECOND] {
            bench.settle().await?;
            let begin = Instant::now();
            let (programs, options) = (&bench.programs, bench.options);
            let started = Cluster::start_in(dir, kind, programs, options, &Setup::default()).await;
            let cluster = started.with_context(|| format!("{title}, {kind:?}"))?;
            let took = begin.elapsed();
            let usage = Usage::of_all(&cluster.pids())?;
            let sample = Sample::from([
                (Metric::Seconds, took.as_secs_f64()),
                (Metric::CpuSeconds, usage.cpu_micros / 1e6),
                (Metric::Resident, cluster.resident()?.total),
            ]);
            bench.results.add(title, kind, sample);
            dir = cluster.stop();
        }
    }
    Ok(())
}

/// A directory with so many megabytes of keys and values.
async fn filled(bench: &mut Bench<'_>) -> Result<TempDir> {
    let cluster = bench.start(Kind::Reference, &Setup::default()).await?;
    let load = Load {
        targets: &cluster.targets(),
        ask: Ask::Fill {
            keys: bench.options.megabytes * 1_000_000 / VALUE_BYTES as u64,
            value_bytes: VALUE_BYTES,
        },
        shape: HUNDRED,
    };
    load.run_to_end().await?;
    let size = cluster.members[0].status().await?.db_size;
    eprintln!("the database has {} MB", size / 1_000_000);
    Ok(cluster.stop())
}
