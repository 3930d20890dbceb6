//! Profiles of the program, read by `go tool pprof`.

use std::process::Command;

use anyhow::{Result, ensure};
use harness::{Member, tool};

use crate::client::{connect, page, put};

/// What `go tool pprof` lists of a profile that it fetches itself.
fn top(port: u16, path: &str) -> Result<String> {
    tool::require("go", "version")?;
    let output = Command::new("go")
        .args(["tool", "pprof", "-top"])
        .arg(format!("http://127.0.0.1:{port}/debug/pprof/{path}"))
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn profiles() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &["--enable-pprof"])?;
    let port = member.port();
    let client = connect(&member.endpoint()).await?;
    let busy = tokio::spawn(async move {
        let value = "v".repeat(10_000);
        loop {
            if client.put(put("key", &value)).await.is_err() {
                return;
            }
        }
    });
    let cpu = tokio::task::spawn_blocking(move || top(port, "profile?seconds=2")).await??;
    ensure!(
        cpu.contains("Type: cpu") && cpu.lines().count() > 6,
        "{cpu}"
    );
    let heap = tokio::task::spawn_blocking(move || top(port, "heap")).await??;
    ensure!(heap.contains("Type: inuse_space"), "{heap}");
    busy.abort();
    let index = String::from_utf8(page(port, "/debug/pprof/").await?.1)?;
    ensure!(index.contains("profile?seconds="), "{index}");
    let line = String::from_utf8(page(port, "/debug/pprof/cmdline").await?.1)?;
    ensure!(
        line.split('\0').any(|word| word == "--enable-pprof"),
        "{line}"
    );
    for name in ["goroutine", "block", "mutex", "threadcreate", "trace"] {
        let (status, text) = page(port, &format!("/debug/pprof/{name}")).await?;
        let text = String::from_utf8(text)?;
        ensure!(
            status == 501 && text.contains("not written in Go"),
            "{name}: {status} {text}"
        );
    }
    for path in ["profile?seconds=x", "profile?seconds=100000"] {
        ensure!(
            page(port, &format!("/debug/pprof/{path}")).await?.0 == 400,
            "{path}"
        );
    }
    Ok(())
}

/// Nobody is to be profiled who did not ask for it.
#[tokio::test]
async fn off_by_default() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &[])?;
    ensure!(page(member.port(), "/debug/pprof/heap").await?.0 == 404);
    Ok(())
}
