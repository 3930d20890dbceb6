//! Clients of a member under test.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{Client, Config};
use proto::etcdserverpb::{PutRequest, RangeRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than any machine takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn connect(endpoint: &str) -> Result<Client> {
    let endpoints = vec![endpoint.to_owned()];
    Ok(Client::connect(Config {
        endpoints,
        ..Config::default()
    })
    .await?)
}

pub(crate) fn put(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    }
}

pub(crate) fn get(key: &str) -> RangeRequest {
    RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    }
}

/// The body of a page, and its status.
pub(crate) async fn page(port: u16, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.context("an answer without an end of its head")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    ensure!(!head.contains("chunked"), "{head}");
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, answer.split_off(end + 4)))
}

/// The sum of a metric's samples whose line contains `labels`.
pub(crate) async fn metric(port: u16, name: &str, labels: &str) -> Result<f64> {
    let text = String::from_utf8(page(port, "/metrics").await?.1)?;
    let is_it = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
            && line.contains(labels)
    };
    let values = text
        .lines()
        .filter(is_it)
        .filter_map(|line| line.rsplit(' ').next());
    Ok(values.filter_map(|value| value.parse::<f64>().ok()).sum())
}

/// Looks until something is so.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = tokio::time::Instant::now() + LONG;
    while !look().await? {
        ensure!(
            tokio::time::Instant::now() < deadline,
            "{what} does not come"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
