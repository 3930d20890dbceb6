//! Who uses a member, which watchers lag, and how long its disk will do.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::Member;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{connect, get, metric, put, until};

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

/// A watcher that does not read is seen, until it goes away.
#[tokio::test]
async fn a_watcher_that_lags() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &[])?;
    let port = member.port();
    let client = connect(&member.endpoint()).await?;
    // The answer of the gateway is a stream of lines, of which nobody reads more than the first.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let body = r#"{"create_request":{"key":"c2xvdw=="}}"#;
    let request = format!(
        "POST /v3/watch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut first = [0; 16];
    stream.read_exact(&mut first).await?;
    let value = "v".repeat(1 << 20);
    let lag = async || metric(port, "magnetite_watch_lag_revisions", "watch_id=\"0\"").await;
    until("the lag", async || {
        client.put(put("slow", &value)).await?;
        Ok(lag().await? >= 2.0)
    })
    .await?;
    drop(stream);
    tokio::time::timeout(
        Duration::from_secs(60),
        until("its end", async || Ok(lag().await? == 0.0)),
    )
    .await?
}
