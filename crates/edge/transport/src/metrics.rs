//! Etcd's metrics of the peer network.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use types::MemberId;

/// What a snapshot is counted under before its sender is known.
pub(crate) const UNKNOWN_SENDER: &str = "UNKNOWN_SNAPSHOT_SENDER";

/// All metrics of the peer network; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    known: IntGaugeVec,
    active: IntGaugeVec,
    disconnected: IntCounterVec,
    sent_bytes: IntCounterVec,
    received_bytes: IntCounterVec,
    sent_failures: IntCounterVec,
    received_failures: IntCounterVec,
    round_trip: HistogramVec,
    snapshot_sent: Transfers,
    snapshot_received: Transfers,
}

/// The metrics of snapshots in one direction.
#[derive(Clone, Debug)]
struct Transfers {
    success: IntCounterVec,
    failures: IntCounterVec,
    inflight: IntGaugeVec,
    duration: HistogramVec,
}

/// The counters of one peer, so that no name is looked up for a message.
#[derive(Debug)]
pub(crate) struct PeerMeters {
    pub(crate) active: IntGauge,
    pub(crate) disconnected: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(crate) sent_failures: IntCounter,
    pub(crate) received_bytes: IntCounter,
    pub(crate) received_failures: IntCounter,
    pub(crate) round_trip: Histogram,
}

impl Metrics {
    /// Makes the metrics; nobody sees them before they are registered.
    ///
    /// # Errors
    /// When a name is no name.
    pub fn new() -> prometheus::Result<Self> {
        const PAIR: &[&str] = &["Local", "Remote"];
        let (to, from) = (&["To"][..], &["From"][..]);
        Ok(Self {
            known: gauge(
                "known_peers",
                "The members that this member knows, itself included.",
                PAIR,
            )?,
            active: gauge("active_peers", "The members it is connected with.", PAIR)?,
            disconnected: counter(
                "disconnected_peers_total",
                "How often a member was lost.",
                PAIR,
            )?,
            sent_bytes: counter("peer_sent_bytes_total", "Bytes sent to members.", to)?,
            received_bytes: counter(
                "peer_received_bytes_total",
                "Bytes received from members.",
                from,
            )?,
            sent_failures: counter(
                "peer_sent_failures_total",
                "Messages to members that failed.",
                to,
            )?,
            received_failures: counter(
                "peer_received_failures_total",
                "Messages from members that failed.",
                from,
            )?,
            round_trip: histogram(
                "peer_round_trip_time_seconds",
                "How long a probe and its answer take.",
                to,
                0.0001,
                16,
            )?,
            snapshot_sent: Transfers::new("snapshot_send", to)?,
            snapshot_received: Transfers::new("snapshot_receive", from)?,
        })
    }

    /// Shows the metrics in `registry`.
    ///
    /// # Errors
    /// When a name is registered already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let mut all: Vec<Box<dyn Collector>> = vec![
            Box::new(self.known.clone()),
            Box::new(self.active.clone()),
            Box::new(self.disconnected.clone()),
            Box::new(self.sent_bytes.clone()),
            Box::new(self.received_bytes.clone()),
            Box::new(self.sent_failures.clone()),
            Box::new(self.received_failures.clone()),
            Box::new(self.round_trip.clone()),
        ];
        for transfers in [&self.snapshot_sent, &self.snapshot_received] {
            all.push(Box::new(transfers.success.clone()));
            all.push(Box::new(transfers.failures.clone()));
            all.push(Box::new(transfers.inflight.clone()));
            all.push(Box::new(transfers.duration.clone()));
        }
        all.into_iter()
            .try_for_each(|metric| registry.register(metric))
    }

    pub(crate) fn peer(&self, local: MemberId, peer: MemberId) -> PeerMeters {
        let (local, id) = (local.to_string(), peer.to_string());
        let pair = [local.as_str(), id.as_str()];
        let one = [id.as_str()];
        PeerMeters {
            active: self.active.with_label_values(&pair),
            disconnected: self.disconnected.with_label_values(&pair),
            sent_bytes: self.sent_bytes.with_label_values(&one),
            sent_failures: self.sent_failures.with_label_values(&one),
            received_bytes: self.received_bytes.with_label_values(&one),
            received_failures: self.received_failures.with_label_values(&one),
            round_trip: self.round_trip.with_label_values(&one),
        }
    }

    /// Says whether a member is one of the cluster.
    pub(crate) fn know(&self, local: MemberId, member: MemberId, is_known: bool) {
        let pair = [local.to_string(), member.to_string()];
        self.known.with_label_values(&pair).set(is_known.into());
    }

    /// Something came that failed; `from` is a member or an address.
    pub(crate) fn received_failure(&self, from: &str) {
        self.received_failures.with_label_values(&[from]).inc();
    }

    pub(crate) fn snapshot_to(&self, peer: MemberId) -> Transfer {
        self.snapshot_sent.start(&peer.to_string())
    }

    pub(crate) fn snapshot_from(&self, peer: &str) -> Transfer {
        self.snapshot_received.start(peer)
    }
}

impl Transfers {
    fn new(prefix: &str, labels: &[&str]) -> prometheus::Result<Self> {
        Ok(Self {
            success: counter(
                &format!("{prefix}_success"),
                "Snapshots that arrived.",
                labels,
            )?,
            failures: counter(
                &format!("{prefix}_failures"),
                "Snapshots that did not arrive.",
                labels,
            )?,
            inflight: gauge(
                &format!("{prefix}_inflights_total"),
                "Snapshots on their way.",
                labels,
            )?,
            duration: histogram(
                &format!("{prefix}_total_duration_seconds"),
                "How long snapshots take.",
                labels,
                0.1,
                10,
            )?,
        })
    }

    fn start(&self, peer: &str) -> Transfer {
        let label = [peer];
        let inflight = self.inflight.with_label_values(&label);
        inflight.inc();
        Transfer {
            success: self.success.with_label_values(&label),
            failures: self.failures.with_label_values(&label),
            duration: self.duration.with_label_values(&label),
            inflight,
            started: tokio::time::Instant::now(),
            has_succeeded: false,
        }
    }
}

/// One snapshot on its way; it has failed unless it is said to have succeeded.
pub(crate) struct Transfer {
    success: IntCounter,
    failures: IntCounter,
    duration: Histogram,
    inflight: IntGauge,
    started: tokio::time::Instant,
    has_succeeded: bool,
}

impl Transfer {
    pub(crate) fn succeed(mut self) {
        self.has_succeeded = true;
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.inflight.dec();
        if self.has_succeeded {
            self.success.inc();
            self.duration.observe(self.started.elapsed().as_secs_f64());
        } else {
            self.failures.inc();
        }
    }
}

fn full_name(name: &str) -> String {
    format!("etcd_network_{name}")
}

fn counter(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(full_name(name), help), labels)
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    IntGaugeVec::new(Opts::new(full_name(name), help), labels)
}

fn histogram(
    name: &str,
    help: &str,
    labels: &[&str],
    first: f64,
    count: usize,
) -> prometheus::Result<HistogramVec> {
    let bounds = prometheus::exponential_buckets(first, 2.0, count)?;
    let options = HistogramOpts::new(full_name(name), help).buckets(bounds);
    HistogramVec::new(options, labels)
}
