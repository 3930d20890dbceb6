//! The suites: what is measured, in which order, and what must come out.

mod auth;
mod catchup;
mod cluster;
mod failover;
mod single;
mod snapshot;
mod takeover;
mod tls;

use std::time::Duration;

use anyhow::Result;

use crate::cluster::{Cluster, Setup};
use crate::disk::Disk;
use crate::load::{self, Load, Shape};
use crate::options::{Kind, Options, Suite};
use crate::process::Resident;
use crate::programs::Programs;
use crate::requests::{Ask, VALUE_BYTES};
use crate::results::{Metric, Results, Sample, sample_of};
use crate::table;
use crate::target::Target;

/// Keys that puts choose from: most of them create a key at first, and change one later.
const PUT_KEYS: u64 = 100_000;
/// How long a member rests before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

const ONE: Shape = Shape::eager(1, 1);
const HUNDRED: Shape = Shape::eager(10, 10);
const THOUSAND: Shape = Shape::eager(100, 10);
/// A calm load, far below what either server can do: a disturbance shows in its latencies.
const CALM: Shape = Shape::paced(20, Duration::from_millis(20));

/// What a suite needs.
struct Bench<'a> {
    options: &'a Options,
    programs: Programs,
    results: Results,
    disk: Disk,
}

/// Runs the suite that is asked for; its tables.
pub(crate) async fn run(options: &Options) -> Result<String> {
    let mut bench = Bench {
        options,
        programs: Programs::find(options)?,
        results: Results::default(),
        disk: Disk::default(),
    };
    let rows: &[table::Row] = match options.suite {
        Suite::Single => single::run(&mut bench).await.map(|()| &single::ROWS[..]),
        Suite::Cluster => cluster::run(&mut bench).await.map(|()| &cluster::ROWS[..]),
        Suite::Failover => failover::run(&mut bench)
            .await
            .map(|()| &failover::ROWS[..]),
        Suite::Catchup => catchup::run(&mut bench).await.map(|()| &catchup::ROWS[..]),
        Suite::Auth => auth::run(&mut bench).await.map(|()| &auth::ROWS[..]),
        Suite::Tls => tls::run(&mut bench).await.map(|()| &tls::ROWS[..]),
        Suite::Snapshot => snapshot::run(&mut bench)
            .await
            .map(|()| &snapshot::ROWS[..]),
        Suite::Takeover => takeover::run(&mut bench)
            .await
            .map(|()| &takeover::ROWS[..]),
    }?;
    Ok(table::render(&head(options), rows, &bench.results, options))
}

/// What the figures are of.
fn head(options: &Options) -> String {
    let rounds = format!(
        "{} s a load; medians of {} rounds",
        options.seconds, options.rounds
    );
    match options.suite {
        Suite::Single | Suite::Snapshot => format!(
            "{} keys of 32 B with values of 256 B where a full store is measured; {rounds}",
            options.keys
        ),
        Suite::Failover => format!("medians of {} kills of each", options.kills),
        Suite::Catchup => format!(
            "a follower {} entries behind; medians of {} rounds",
            options.entries, options.rounds
        ),
        Suite::Takeover => format!("{} MB of keys and values", options.megabytes),
        Suite::Cluster | Suite::Auth | Suite::Tls => rounds,
    }
}

impl Bench<'_> {
    async fn start(&mut self, kind: Kind, setup: &Setup) -> Result<Cluster> {
        self.settle().await?;
        Cluster::start(kind, &self.programs, self.options, setup).await
    }

    /// Waits until the disk is as fast as it was.
    async fn settle(&mut self) -> Result<()> {
        self.disk.settle(&self.options.fresh_dir()?).await
    }

    /// Measures a load, and the memory after it.
    async fn sample(&self, cluster: &Cluster, load: Load<'_>) -> Result<Sample> {
        let window = load::for_seconds(self.options.seconds);
        let (measured, ()) = load::measure(load, &cluster.pids(), window).await?;
        let mut sample = sample_of(&measured);
        sample.extend(memory_of(cluster.resident()?));
        Ok(sample)
    }

    /// The same, as one of the results.
    async fn measure(
        &mut self,
        title: &'static str,
        kind: Kind,
        cluster: &Cluster,
        load: Load<'_>,
    ) -> Result<()> {
        let sample = self.sample(cluster, load).await?;
        self.results.add(title, kind, sample);
        Ok(())
    }
}

/// Puts so many keys once.
async fn fill(targets: &[Target], keys: u64) -> Result<()> {
    let value_bytes = VALUE_BYTES;
    let fill = Load {
        targets,
        ask: Ask::Fill { keys, value_bytes },
        shape: HUNDRED,
    };
    fill.run_to_end().await
}

/// The memory of members that have rested.
async fn memory_at_rest(cluster: &Cluster) -> Result<Sample> {
    tokio::time::sleep(REST).await;
    Ok(memory_of(cluster.resident()?))
}

fn memory_of(resident: Resident) -> Sample {
    Sample::from([
        (Metric::Resident, resident.total),
        (Metric::Anonymous, resident.anonymous),
    ])
}
