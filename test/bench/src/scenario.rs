//! The scenarios, each on a fresh member, and the order in which the servers take turns.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::load::{self, Shape};
use crate::options::{Kind, Options, Scenario};
use crate::process::{Resident, Usage};
use crate::requests::Ask;
use crate::results::{Metric, Results, Sample, sample_of};
use crate::server::{Programs, Server};

/// Keys that puts choose from: most of them create a key at first, and change one later.
const PUT_KEYS: u64 = 100_000;
/// How long a member rests before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

const ONE: Shape = Shape {
    connections: 1,
    clients: 1,
};
const HUNDRED: Shape = Shape {
    connections: 10,
    clients: 10,
};
const THOUSAND: Shape = Shape {
    connections: 100,
    clients: 10,
};

/// Runs all rounds. The servers take turns within a round, so that a machine that becomes slower is
/// slower for both.
pub(crate) async fn run(options: &Options) -> Result<Results> {
    let programs = Programs::find(options)?;
    let mut results = Results::default();
    for _ in 0..options.rounds {
        for scenario in [
            Scenario::Empty,
            Scenario::Single,
            Scenario::Put,
            Scenario::Many,
        ] {
            if !options.wants(scenario) {
                continue;
            }
            for kind in options.kinds() {
                let server = Server::start(kind, &programs, options).await?;
                let sample = run_fresh(scenario, &server, options).await;
                let sample = sample.with_context(|| format!("{scenario:?} on {kind:?}"))?;
                results.add(scenario, kind, sample);
            }
        }
        for kind in options.kinds() {
            let run = run_loaded(kind, &programs, options, &mut results).await;
            run.with_context(|| format!("full store on {kind:?}"))?;
        }
    }
    Ok(results)
}

async fn run_fresh(scenario: Scenario, server: &Server, options: &Options) -> Result<Sample> {
    let shape = match scenario {
        Scenario::Single => ONE,
        Scenario::Many => THOUSAND,
        Scenario::Empty => return memory(server).await,
        _ => HUNDRED,
    };
    let ask = Ask::Put { keys: PUT_KEYS };
    measure(server, ask, shape, options).await
}

/// Loads all keys, and runs the scenarios that need them.
async fn run_loaded(
    kind: Kind,
    programs: &Programs,
    options: &Options,
    results: &mut Results,
) -> Result<()> {
    let loaded = [
        Scenario::Memory,
        Scenario::Get,
        Scenario::Page,
        Scenario::Start,
    ];
    debug_assert!(loaded.into_iter().all(Scenario::is_loaded));
    if !loaded.into_iter().any(|scenario| options.wants(scenario)) {
        return Ok(());
    }
    let keys = options.keys;
    let mut server = Server::start(kind, programs, options).await?;
    load::run_to_end(server.address(), Ask::Fill { keys }, HUNDRED).await?;
    for scenario in loaded {
        if !options.wants(scenario) {
            continue;
        }
        let sample = match scenario {
            Scenario::Memory => memory(&server).await?,
            Scenario::Get => measure(&server, Ask::Get { keys }, HUNDRED, options).await?,
            Scenario::Page => measure(&server, Ask::Page, ONE, options).await?,
            _ => start(&mut server).await?,
        };
        results.add(scenario, kind, sample);
    }
    Ok(())
}

async fn measure(server: &Server, ask: Ask, shape: Shape, options: &Options) -> Result<Sample> {
    let (address, pid) = (server.address(), server.pid());
    let measured = load::measure(address, pid, ask, shape, options.seconds).await?;
    let mut sample = sample_of(&measured);
    sample.extend(resident(server)?);
    Ok(sample)
}

async fn memory(server: &Server) -> Result<Sample> {
    tokio::time::sleep(REST).await;
    resident(server)
}

fn resident(server: &Server) -> Result<Sample> {
    let resident = Resident::of(server.pid())?;
    Ok(Sample::from([
        (Metric::Resident, resident.total),
        (Metric::Anonymous, resident.anonymous),
    ]))
}

async fn start(server: &mut Server) -> Result<Sample> {
    let took = server.crash_and_start().await?;
    let usage = Usage::of(server.pid())?;
    let mut sample = resident(server)?;
    sample.insert(Metric::Seconds, took.as_secs_f64());
    sample.insert(Metric::CpuSeconds, usage.cpu_micros / 1e6);
    Ok(sample)
}
