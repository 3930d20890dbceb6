//! How long a peer takes to answer, and whether its clock is right.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use tokio::time::{Instant, interval, timeout};

use crate::body::RequestBody;
use crate::client::ClientError;
use crate::peers::Peer;
use crate::session::{Session, read_body};
use crate::shared::Shared;

const INTERVAL: Duration = Duration::from_secs(4);
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// Clocks further apart than that are worth a warning.
const DRIFT_MAX: Duration = Duration::from_secs(1);
const ANSWER_BYTES_MAX: usize = 1024;

/// The path of probes.
pub(crate) const PATH: &str = "/raft/probing";

/// The answer to a probe.
pub(crate) fn answer() -> String {
    format!("{{\"OK\":true,\"Now\":\"{}\"}}\n", Timestamp::now())
}

/// Probes a peer for as long as it is polled.
pub(crate) async fn keep_probing(shared: Arc<Shared>, peer: Arc<Peer>) {
    let mut ticks = interval(INTERVAL);
    let mut is_warned = false;
    loop {
        ticks.tick().await;
        let Ok(Ok(Some(probe))) = timeout(PROBE_TIMEOUT, probe(&shared, &peer)).await else {
            // The streams say it better.
            continue;
        };
        peer.meters.round_trip.observe(probe.took.as_secs_f64());
        let drift = probe.excess();
        if let Some(drift) = drift.filter(|_| !is_warned) {
            let (peer, rtt) = (peer.id.to_string(), format!("{:?}", probe.took));
            let drift = format!("{drift:?}");
            tracing::warn!(
                "remote-peer-id" = peer,
                "clock-drift" = drift,
                rtt,
                "prober found high clock drift"
            );
        }
        is_warned = drift.is_some();
    }
}

struct Probe {
    took: Duration,
    /// How far the peer's clock is ahead or behind.
    drift: Duration,
}

impl Probe {
    /// How far the clocks are apart, if that is worth a warning: what was on its way for some time
    /// may tell a time that is as much older.
    fn excess(&self) -> Option<Duration> {
        (self.drift > DRIFT_MAX + self.took).then_some(self.drift)
    }
}

async fn probe(shared: &Shared, peer: &Peer) -> Result<Option<Probe>, ClientError> {
    let Some(url) = peer.urls.pick() else {
        return Ok(None);
    };
    let config = &shared.config;
    let mut session = Session::open(&config.connector, &url, config.dial_timeout).await?;
    let request = Request::get(PATH).body(RequestBody::Full(Bytes::new()))?;
    let started = Instant::now();
    let response = session.send(request).await?;
    let is_ok = response.status() == StatusCode::OK;
    let body = read_body(response.into_body(), ANSWER_BYTES_MAX).await?;
    let now = is_ok.then(|| told_time(&body)).flatten();
    Ok(now.map(|now| Probe {
        took: started.elapsed(),
        drift: now.duration_since(Timestamp::now()).unsigned_abs(),
    }))
}

/// The time in an answer that says that all is well.
fn told_time(body: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(body).ok()?;
    if !text.contains("\"OK\":true") {
        return None;
    }
    let (_, after) = text.split_once("\"Now\":\"")?;
    after.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that goes wrong is told; a slow answer is not taken for one.
    #[test]
    fn clocks() {
        let excess = |drift, took| {
            let [drift, took] = [drift, took].map(Duration::from_millis);
            Probe { took, drift }.excess()
        };
        for drift in [0, 999, 1000] {
            assert_eq!(excess(drift, 1), None, "{drift}");
        }
        assert_eq!(excess(2500, 2000), None);
        assert_eq!(excess(2000, 1), Some(Duration::from_secs(2)));
    }

    /// Our own answer, and one that is none.
    #[test]
    fn answers() {
        let told = told_time(answer().as_bytes()).unwrap();
        let since = Timestamp::now().duration_since(told);
        assert!(since.unsigned_abs() < Duration::from_secs(60));
        let go = b"{\"OK\":true,\"Now\":\"2026-11-21T14:22:12.120000001+01:00\"}";
        let told = told_time(go).unwrap();
        assert_eq!(told.to_string(), "2026-11-21T13:22:12.120000001Z");
        assert_eq!(
            told_time(b"{\"OK\":false,\"Now\":\"2026-11-21T14:22:12Z\"}"),
            None
        );
        assert_eq!(told_time(b"\xff"), None);
    }
}
