//! What a member warns of that its clients have caused.

use anyhow::{Context as _, Result, ensure};
use harness::Member;

use crate::client::{connect, put, until};

/// A request that the limit refuses is told with its size, the limit and the user.
#[tokio::test]
async fn large_requests() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &["--max-request-bytes=1000"])?;
    let client = connect(&member.endpoint()).await?;
    client.put(put("small", &"v".repeat(900))).await?;
    let warning = "\"msg\":\"refused a request that is too large\"";
    ensure!(!member.has_logged(warning)?);
    let refused = client.put(put("large", &"v".repeat(2000))).await;
    let refusal = refused
        .err()
        .context("a request of twice the limit is taken")?;
    let refusal = refusal.to_string();
    ensure!(
        refusal.contains("etcdserver: request is too large"),
        "{refusal}"
    );
    until("the warning", async || member.has_logged(warning)).await?;
    for part in ["\"limit\":1000", "\"bytes\":20"] {
        ensure!(member.has_logged(part)?, "{part}\n{}", member.log_end());
    }
    Ok(())
}
