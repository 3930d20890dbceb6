//! `check datascale`: how much memory a number of keys needs.

use std::time::Instant;

use super::explain::Look;
use super::load::Load;
use super::metrics::resident_memory;
use super::report::Report;
use super::{AUTO_COMPACT, AUTO_DEFRAG, clean_up, refuse_used_prefix};
use crate::commands::progress::Progress;
use crate::exit::{ERROR, Exit};
use crate::flags::{Command, Flag, Run};
use crate::invocation::Invocation;
use crate::print;

/// The command.
pub(super) const COMMAND: Command = Command {
    name: "datascale",
    operands: "[options]",
    about: "Checks how much memory a number of keys needs",
    details: "Checks how much memory a number of keys needs, on the first endpoint.",
    flags: &[
        Flag::text(
            "load",
            "s",
            "how much is written: s(small), m(medium), l(large) or xl(xLarge)",
        ),
        Flag::text(
            "prefix",
            "/etcdctl-check-datascale/",
            "what the written keys begin with",
        ),
        AUTO_COMPACT,
        AUTO_DEFRAG,
    ],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// Bytes of a pair; one half is the key, one the value.
const PAIR_BYTES: usize = 1024;
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// Pairs, and clients.
fn workload(load: &str) -> Result<(u64, usize), Exit> {
    Ok(match load {
        "s" | "small" => (10_000, 50),
        "m" | "medium" => (100_000, 200),
        "l" | "large" => (1_000_000, 500),
        "xl" | "xLarge" => (3_000_000, 1000),
        _ => return Err(Exit::bad_feature(format!("unknown load option {load}"))),
    })
}

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let (pairs, clients) = workload(&invocation.arguments.text("load"))?;
    let prefix = invocation.arguments.text("prefix");
    let mut session = invocation.session()?;
    session.config.endpoints.truncate(1);
    let endpoint = session
        .config
        .endpoints
        .first()
        .cloned()
        .unwrap_or_default();
    let client = session.client().await?;
    refuse_used_prefix(&client.within(session.timeout), &prefix).await?;
    let before = memory(&endpoint, "before").await?;
    print::line(&format!(
        "Start data scale check for work load [{pairs} key-value pairs, {PAIR_BYTES} bytes per \
         key-value, {clients} concurrent clients]."
    ))?;
    let load = Load {
        prefix: prefix.clone(),
        clients,
        key_bytes: PAIR_BYTES / 2,
        value_bytes: PAIR_BYTES / 2,
        puts: pairs,
        rate: None,
        until: None,
    };
    let look = Look::at(&session.config.endpoints).await;
    let began = Instant::now();
    let mut outcomes = load.run(&session).await?;
    let (mut report, mut progress, mut done) = (Report::default(), Progress::new(pairs), 0);
    while let Some(outcome) = outcomes.recv().await {
        report.add(outcome);
        done += 1;
        progress.set(done);
    }
    progress.finish();
    look.explain(&session.config.endpoints, began.elapsed())
        .await;
    let after = memory(&endpoint, "after").await;
    clean_up(&invocation, &session, &client, &prefix).await?;
    let used = after?.saturating_sub(before) as f64 / MEGABYTE;
    if report.errors.is_empty() {
        return print::line(&format!(
            "PASS: Approximate system memory used : {used:.2} MB."
        ));
    }
    print::line("FAIL: too many errors")?;
    for (error, count) in &report.errors {
        print::line(&format!("FAIL: ERROR({error}) -> {count}"))?;
    }
    Err(Exit::silent(ERROR))
}

async fn memory(endpoint: &str, when: &str) -> Result<u64, Exit> {
    match resident_memory(endpoint).await {
        Ok(bytes) => Ok(bytes),
        Err(reason) => {
            print::line(&format!(
                "FAIL: Could not read process_resident_memory_bytes {when} the put operations: \
                 {reason}"
            ))?;
            Err(Exit::silent(ERROR))
        }
    }
}
