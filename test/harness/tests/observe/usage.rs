//! Who uses a member, and how long its disk will do.

use crate::client::{connect, get, metric, put};
use anyhow::{Result, ensure};
use harness::Member;

#[tokio::test]
async fn by_client_user_and_prefix() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &["--usage-metrics=client,user,prefix"])?;
    let client = connect(&member.endpoint()).await?;
    for key in ["/registry/pods/a", "/registry/pods/b", "/registry/leases/x"] {
        client.put(put(key, "value")).await?;
        client.range(get(key)).await?;
    }
    let of = async |figure: &str, labels: &str| {
        metric(
            member.port(),
            &format!("magnetite_usage_{figure}_total"),
            labels,
        )
        .await
    };
    let pods = "by=\"prefix\",name=\"/registry/pods/\"";
    ensure!(of("requests", pods).await? == 4.0);
    ensure!(of("received_bytes", pods).await? > 50.0);
    ensure!(of("sent_bytes", pods).await? > 50.0);
    ensure!(of("handler_seconds", pods).await? > 0.0);
    ensure!(of("requests", "by=\"client\",name=\"127.0.0.1\"").await? >= 6.0);
    ensure!(of("requests", "by=\"user\",name=\"(none)\"").await? >= 6.0);
    ensure!(metric(member.port(), "magnetite_disk_free_bytes", "").await? > 0.0);
    Ok(())
}
