//! The audit log of the program: its files, its policy, a disk that is full, and what it costs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use harness::{Member, Stop};
use serde_json::Value;

use crate::client::{connect, get, metric, put, until};

const LOST: &str = "magnetite_audit_lost_total";

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// What a policy leaves out is not there, and everything else is, over a rotation and a stop.
#[tokio::test]
async fn files_and_policy() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (log, policy) = (dir.path().join("audit.log"), dir.path().join("policy.yml"));
    fs::write(
        &policy,
        "rules:\n- {log: false, rpcs: [Range], prefixes: [/quiet/]}\n",
    )?;
    let flags = [
        format!("--audit-log-path={}", log.display()),
        format!("--audit-policy-file={}", policy.display()),
        "--audit-log-maxsize=1".to_owned(),
        "--audit-log-maxbackup=100".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut member = Member::start(dir.path(), &flags)?;
    let client = connect(&member.endpoint()).await?;
    client.range(get("/quiet/a")).await?;
    client.range(get("/loud/a")).await?;
    // Several megabytes of lines.
    let long = format!("/loud/{}", "x".repeat(1000));
    const PUTS: usize = 3000;
    for _ in 0..PUTS {
        client.put(put(&long, "value")).await?;
    }
    member.stop(Stop::Terminate)?;
    let mut all = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(dir.path())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("audit") {
            files += 1;
            all.extend(lines(&path)?);
        }
    }
    assert!(files > 2, "{files} files: nothing was rotated");
    let count = |rpc: &str| all.iter().filter(|line| line["rpc"] == rpc).count();
    assert_eq!(count("/etcdserverpb.KV/Put"), PUTS);
    assert_eq!(count("/etcdserverpb.KV/Range"), 1);
    Ok(())
}

/// A log that cannot be written costs lines and nothing else, and it is told how many.
#[tokio::test]
async fn a_full_disk() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut member = Member::start(dir.path(), &["--audit-log-path=/dev/full"])?;
    let client = connect(&member.endpoint()).await?;
    client.put(put("a", "b")).await?;
    let port = member.port();
    until("the lost line", async || {
        Ok(metric(port, LOST, "").await? >= 1.0)
    })
    .await?;
    client.put(put("a", "c")).await?;
    assert!(member.has_logged("cannot write the audit log")?);
    assert!(
        member.stop(Stop::Terminate)?.code().is_none(),
        "it ended by the signal"
    );
    Ok(())
}

/// Refused before anything is served, with the reason.
#[tokio::test]
async fn refusals() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let policy = dir.path().join("policy.yml");
    fs::write(&policy, "rules:\n- {log: false, rpcs: [Rage]}\n")?;
    let policy = format!("--audit-policy-file={}", policy.display());
    let Err(error) = Member::start(dir.path(), &["--audit-log-path=-", &policy]) else {
        panic!("a policy with a misspelt name was taken");
    };
    assert!(error.to_string().contains("there is no RPC"), "{error}");
    Ok(())
}

/// CPU time of the process so far, in clock ticks.
fn cpu(member: &Member) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", member.pid()?))?;
    let fields = stat.rsplit_once(") ").context("no end of the name")?.1;
    let fields: Vec<&str> = fields.split(' ').collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

/// The price of a line, by CPU time, side by side in one run. It is printed for the documentation; only
/// a price that nobody could miss fails.
#[tokio::test]
async fn what_it_costs() -> Result<()> {
    let rounds = match std::env::var_os("AUDIT_COST") {
        Some(_) => 10,
        None => 2,
    };
    let dirs = [tempfile::tempdir()?, tempfile::tempdir()?];
    let log = format!(
        "--audit-log-path={}",
        dirs[1].path().join("audit.log").display()
    );
    let members = [
        Member::start(dirs[0].path(), &[])?,
        Member::start(dirs[1].path(), &[&log])?,
    ];
    const CALLS: usize = 4000;
    let mut ticks = [[0; 2]; 2];
    for _ in 0..rounds {
        for (at, member) in members.iter().enumerate() {
            let client = connect(&member.endpoint()).await?;
            for (kind, ticks) in ticks[at].iter_mut().enumerate() {
                let before = cpu(member)?;
                for _ in 0..CALLS / 20 {
                    // Several at once, as busy servers have them.
                    let calls = (0..20).map(|_| {
                        let client = client.clone();
                        tokio::spawn(async move {
                            match kind {
                                0 => client.put(put("/key/of/usual/length", "v")).await.is_ok(),
                                _ => client.range(get("/key/of/usual/length")).await.is_ok(),
                            }
                        })
                    });
                    for call in calls.collect::<Vec<_>>() {
                        assert!(call.await?);
                    }
                }
                *ticks += cpu(member)? - before;
            }
        }
    }
    let micros = |ticks: u64| ticks as f64 * 1e4 / (CALLS * rounds) as f64;
    for (kind, name) in ["put", "get"].iter().enumerate() {
        let (off, on) = (micros(ticks[0][kind]), micros(ticks[1][kind]));
        println!("{name}: {off:.1} µs of CPU without, {on:.1} µs with the audit log");
        assert!(
            on < off * 3.0 + 20.0,
            "{name}: {off} µs without, {on} µs with"
        );
    }
    Ok(())
}
