//! `check perf`: whether the cluster keeps up with a rate of puts.

use std::time::{Duration, Instant};

use super::explain::Look;
use super::load::Load;
use super::report::Report;
use super::{AUTO_COMPACT, AUTO_DEFRAG, clean_up, refuse_used_prefix};
use crate::commands::progress::Progress;
use crate::exit::{ERROR, Exit};
use crate::flags::{Command, Flag, Run};
use crate::invocation::Invocation;
use crate::print;

/// The command.
pub(super) const COMMAND: Command = Command {
    name: "perf",
    operands: "[options]",
    about: "Checks whether the cluster keeps up with a load",
    flags: &[
        Flag::text(
            "load",
            "s",
            "how much is written: s(small), m(medium), l(large) or xl(xLarge)",
        ),
        Flag::text(
            "prefix",
            "/etcdctl-check-perf/",
            "what the written keys begin with",
        ),
        AUTO_COMPACT,
        AUTO_DEFRAG,
    ],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// How long the load lasts, in seconds.
const SECONDS: u64 = 60;
const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 1024;

/// Puts a second, and clients.
fn workload(load: &str) -> Result<(u32, usize), Exit> {
    Ok(match load {
        "s" | "small" => (150, 50),
        "m" | "medium" => (1000, 200),
        "l" | "large" => (8000, 500),
        "xl" | "xLarge" => (15_000, 1000),
        _ => return Err(Exit::bad_feature(format!("unknown load option {load}"))),
    })
}

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let (rate, clients) = workload(&invocation.arguments.text("load"))?;
    let prefix = invocation.arguments.text("prefix");
    let session = invocation.session()?;
    let client = session.client().await?;
    refuse_used_prefix(&client.within(session.timeout), &prefix).await?;
    let load = Load {
        prefix: prefix.clone(),
        clients,
        key_bytes: KEY_BYTES,
        value_bytes: VALUE_BYTES,
        puts: u64::from(rate) * SECONDS,
        rate: Some(u64::from(rate)),
        until: Some(Duration::from_secs(SECONDS)),
    };
    let look = Look::at(&session.config.endpoints).await;
    let mut outcomes = load.run(&session).await?;
    let start = Instant::now();
    let (mut report, mut progress) = (Report::default(), Progress::new(SECONDS));
    while let Some(outcome) = outcomes.recv().await {
        report.add(outcome);
        progress.set(start.elapsed().as_secs());
    }
    let took = start.elapsed();
    progress.finish();
    look.explain(&session.config.endpoints, took).await;
    clean_up(&invocation, &session, &client, &prefix).await?;
    let (lines, good) = report.verdict(rate, took);
    print::line(&lines.join("\n"))?;
    if good {
        Ok(())
    } else {
        Err(Exit::silent(ERROR))
    }
}
