//! What a member warns of that its clients have caused.

use anyhow::{Context as _, Result, ensure};
use harness::{Member, ctl};

use crate::client::{connect, page, put, until};

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

/// Changes of users and roles are found in a member's log, and why it is not healthy; the words are
/// etcd's. No password is among them.
#[tokio::test]
async fn what_operators_look_for() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &["--quota-backend-bytes=2000000"])?;
    let endpoint = [member.endpoint()];
    let lines: [(&[&str], &str); 12] = [
        (&["role", "add", "reader"], "created a role"),
        (
            &["role", "grant-permission", "reader", "read", "a", "b"],
            "granted/updated a permission to a user",
        ),
        (
            &["role", "revoke-permission", "reader", "a", "b"],
            "revoked a permission on range",
        ),
        (&["user", "add", "somebody:hidden1"], "added a user"),
        (
            &["user", "grant-role", "somebody", "reader"],
            "granted a role to a user",
        ),
        (
            &["user", "revoke-role", "somebody", "reader"],
            "revoked a role from a user",
        ),
        (&["user", "delete", "somebody"], "deleted a user"),
        (&["role", "delete", "reader"], "deleted a role"),
        (&["user", "add", "root:hidden2"], "added a user"),
        (
            &["user", "grant-role", "root", "root"],
            "granted a role to a user",
        ),
        (&["auth", "enable"], "enabled authentication"),
        (
            &["auth", "disable", "--user=root:hidden2"],
            "disabled authentication",
        ),
    ];
    for (line, told) in lines {
        ctl::run(&endpoint, line)?;
        let told = format!("\"msg\":\"{told}\"");
        until(&told, async || member.has_logged(&told)).await?;
    }
    ensure!(!member.has_logged("hidden")?, "{}", member.log_end());

    let client = connect(&member.endpoint()).await?;
    let value = "v".repeat(500_000);
    let full = "\"msg\":\"message exceeded backend quota; raising alarm\"";
    // What is written counts once it is in the store's files.
    until("a refusal", async || {
        Ok(client.put(put("key", &value)).await.is_err())
    })
    .await?;
    until(full, async || member.has_logged(full)).await?;
    let unhealthy = "\"msg\":\"serving /health false due to an alarm\"";
    until(unhealthy, async || {
        page(member.port(), "/health").await?;
        member.has_logged(unhealthy)
    })
    .await
}
