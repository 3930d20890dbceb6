//! What the engine's threads measure, for `/metrics`.
//!
//! Durations go into histograms with etcd's bounds; a group of the log or a chunk of entries costs
//! one observation, not one for each request.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// The engine's own metrics.
#[derive(Debug)]
pub struct Meters {
    log_write: Histogram,
    log_sync: Histogram,
    log_bytes: IntGauge,
    store_commit: Histogram,
    slow_applies: IntCounter,
    leases_expired: IntCounter,
    slow_apply_from: Duration,
}

/// Bounds `start`, `2 start`, `4 start`…, as etcd's histograms have them.
pub(crate) fn exponential(start: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(start), |bound| Some(bound * 2.0))
        .take(count)
        .collect()
}

impl Meters {
    /// Registers the metrics; applying a chunk for longer than `slow_apply_from` counts as slow.
    ///
    /// # Errors
    /// When a name is registered already.
    pub fn new(registry: &Registry, slow_apply_from: Duration) -> prometheus::Result<Self> {
        let histogram = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(exponential(0.001, 14));
            let histogram = Histogram::with_opts(options)?;
            registry.register(Box::new(histogram.clone()))?;
            prometheus::Result::Ok(histogram)
        };
        let meters = Self {
            log_write: histogram(
                "etcd_disk_wal_write_duration_seconds",
                "The latency distributions of writes to the WAL.",
            )?,
            log_sync: histogram(
                "etcd_disk_wal_fsync_duration_seconds",
                "The latency distributions of writing and syncing a group to the WAL.",
            )?,
            log_bytes: IntGauge::new(
                "etcd_disk_wal_write_bytes_total",
                "Bytes written to the WAL since the start.",
            )?,
            store_commit: histogram(
                "etcd_disk_backend_commit_duration_seconds",
                "The latency distributions of commits to the store.",
            )?,
            slow_applies: IntCounter::new(
                "etcd_server_slow_apply_total",
                "How many groups of entries took too long to apply.",
            )?,
            leases_expired: IntCounter::new(
                "etcd_debugging_server_lease_expired_total",
                "The total number of expired leases.",
            )?,
            slow_apply_from,
        };
        registry.register(Box::new(meters.leases_expired.clone()))?;
        registry.register(Box::new(meters.log_bytes.clone()))?;
        registry.register(Box::new(meters.slow_applies.clone()))?;
        Ok(meters)
    }

    pub(crate) fn log_flushed(&self, took: Duration, bytes: u64, synced: bool) {
        let histogram = if synced {
            &self.log_sync
        } else {
            &self.log_write
        };
        histogram.observe(took.as_secs_f64());
        self.log_bytes.add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn store_committed(&self, took: Duration) {
        self.store_commit.observe(took.as_secs_f64());
    }

    pub(crate) fn lease_expired(&self) {
        self.leases_expired.inc();
    }

    pub(crate) fn applied(&self, took: Duration, entries: usize) {
        if took >= self.slow_apply_from {
            self.slow_applies.inc();
            let took = format!("{took:?}");
            let expected = format!("{:?}", self.slow_apply_from);
            tracing::warn!(
                took,
                "expected-duration" = expected,
                entries,
                "apply request took too long"
            );
        }
    }
}
