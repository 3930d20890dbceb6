//! What the engine's threads measure, for `/metrics`.
//!
//! Durations go into histograms with etcd's bounds; a group of the log or a chunk of entries costs
//! one observation, not one for each request.

use std::time::Duration;

use std::sync::Arc;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::durations::{Durations, ThreadDurations};
use super::timeline::Timeline;

/// The engine's own metrics.
#[derive(Debug)]
pub struct Meters {
    durations: Durations,
    timeline: Timeline,
    leases_granted: IntCounter,
    leases_revoked: IntCounter,
    leases_renewed: IntCounter,
    lease_ttl: Histogram,
    proposals_failed: IntCounter,
    reads_failed: IntCounter,
    reads_slow: IntCounter,
    promotions: IntCounter,
    promotions_failed: IntCounterVec,
    heartbeats_late: IntCounter,
    installing: IntGauge,
    hash: Histogram,
    hash_rev: Histogram,
    snapshot: Histogram,
    compaction_pause: Histogram,
    compaction_total: Histogram,
    compaction_last: IntGauge,
    log_write: Histogram,
    log_sync: Histogram,
    log_bytes: IntGauge,
    store_commit: Histogram,
    slow_applies: IntCounter,
    leases_expired: IntCounter,
    slow_apply_from: Duration,
}

/// A disk that takes so long to make a write durable is worth a warning.
const SLOW_SYNC: Duration = Duration::from_secs(1);

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
        let bounded = |name: &str, help: &str, start, count| {
            let options = HistogramOpts::new(name, help).buckets(exponential(start, count));
            let histogram = Histogram::with_opts(options)?;
            registry.register(Box::new(histogram.clone()))?;
            prometheus::Result::Ok(histogram)
        };
        let histogram = |name: &str, help: &str| bounded(name, help, 0.001, 14);
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        let meters = Self {
            durations: Durations::default(),
            timeline: Timeline::default(),
            leases_granted: counter(
                "etcd_debugging_lease_granted_total",
                "The total number of granted leases.",
            )?,
            leases_revoked: counter(
                "etcd_debugging_lease_revoked_total",
                "The total number of revoked leases.",
            )?,
            leases_renewed: counter(
                "etcd_debugging_lease_renewed_total",
                "The number of renewed leases seen by the leader.",
            )?,
            lease_ttl: bounded(
                "etcd_debugging_lease_ttl_total",
                "Bucketed histogram of lease TTLs.",
                1.0,
                24,
            )?,
            proposals_failed: counter(
                "etcd_server_proposals_failed_total",
                "The total number of proposals that were not answered in time.",
            )?,
            reads_failed: counter(
                "etcd_server_read_indexes_failed_total",
                "The total number of reads whose index was not confirmed in time.",
            )?,
            reads_slow: counter(
                "etcd_server_slow_read_indexes_total",
                "The total number of reads that waited in vain for their index.",
            )?,
            promotions: counter(
                "etcd_server_learner_promote_successes",
                "The total number of learners that this leader has promoted.",
            )?,
            promotions_failed: IntCounterVec::new(
                Opts::new(
                    "etcd_server_learner_promote_failures",
                    "The total number of promotions that this leader has refused.",
                ),
                &["Reason"],
            )?,
            heartbeats_late: counter(
                "etcd_server_heartbeat_send_failures_total",
                "The total number of heartbeats that this leader has sent late.",
            )?,
            installing: gauge(
                "etcd_server_snapshot_apply_in_progress_total",
                "1 while a snapshot of the leader takes the place of the state.",
            )?,
            hash: bounded(
                "etcd_mvcc_hash_duration_seconds",
                "The latency distributions of hashing the whole store.",
                0.01,
                15,
            )?,
            hash_rev: bounded(
                "etcd_mvcc_hash_rev_duration_seconds",
                "The latency distributions of hashing the keys up to a revision.",
                0.01,
                15,
            )?,
            snapshot: bounded(
                "etcd_disk_backend_snapshot_duration_seconds",
                "The latency distributions of sending a snapshot.",
                0.01,
                17,
            )?,
            compaction_pause: bounded(
                "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
                "Bucketed histogram of the steps of compactions, for which applying waits.",
                1.0,
                13,
            )?,
            compaction_total: bounded(
                "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                "Bucketed histogram of whole compactions.",
                100.0,
                14,
            )?,
            compaction_last: gauge(
                "etcd_debugging_mvcc_db_compaction_last",
                "The unix time of the last compaction; 0 at the start.",
            )?,
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
        registry.register(Box::new(meters.promotions_failed.clone()))?;
        registry.register(Box::new(meters.leases_expired.clone()))?;
        registry.register(Box::new(meters.log_bytes.clone()))?;
        registry.register(Box::new(meters.slow_applies.clone()))?;
        Ok(meters)
    }

    /// The histograms of one more thread.
    pub(crate) fn thread_durations(&self) -> Arc<ThreadDurations> {
        self.durations.thread()
    }

    /// Appends what the threads have timed.
    pub(crate) fn render_durations(&self, out: &mut String) {
        self.durations.render(out);
    }

    /// When groups of entries were written and applied.
    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub(crate) fn lease_granted(&self, ttl: Option<i64>) {
        self.leases_granted.inc();
        if let Some(ttl) = ttl {
            self.lease_ttl.observe(ttl as f64);
        }
    }

    pub(crate) fn lease_revoked(&self) {
        self.leases_revoked.inc();
    }

    pub(crate) fn lease_renewed(&self) {
        self.leases_renewed.inc();
    }

    pub(crate) fn proposal_failed(&self) {
        self.proposals_failed.inc();
    }

    pub(crate) fn read_failed(&self) {
        self.reads_failed.inc();
        self.reads_slow.inc();
    }

    /// A learner was promoted here, or was not for a reason.
    pub(crate) fn promoted(&self, refusal: Option<&str>) {
        match refusal {
            None => self.promotions.inc(),
            Some(reason) => self.promotions_failed.with_label_values(&[reason]).inc(),
        }
    }

    pub(crate) fn heartbeat_late(&self) {
        self.heartbeats_late.inc();
    }

    /// Whether a snapshot of the leader is being installed.
    pub(crate) fn installing(&self, is: bool) {
        self.installing.set(is.into());
    }

    /// The store was hashed: all of it, or its keys up to a revision.
    pub(crate) fn hashed(&self, took: Duration, up_to_revision: bool) {
        let histogram = match up_to_revision {
            true => &self.hash_rev,
            false => &self.hash,
        };
        histogram.observe(took.as_secs_f64());
    }

    pub(crate) fn snapshot_sent(&self, took: Duration) {
        self.snapshot.observe(took.as_secs_f64());
    }

    pub(crate) fn compaction_stepped(&self, took: Duration) {
        self.compaction_pause.observe(took.as_secs_f64() * 1e3);
    }

    /// A compaction has ended.
    pub(crate) fn compaction_finished(&self, took: Duration) {
        self.compaction_total.observe(took.as_secs_f64() * 1e3);
        let seconds = super::shared::unix_millis() / 1000;
        self.compaction_last
            .set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    pub(crate) fn log_flushed(&self, took: Duration, bytes: u64, synced: bool) {
        let histogram = if synced {
            &self.log_sync
        } else {
            &self.log_write
        };
        histogram.observe(took.as_secs_f64());
        if synced && took >= SLOW_SYNC {
            let (took, expected) = (format!("{took:?}"), format!("{SLOW_SYNC:?}"));
            tracing::warn!(took, "expected-duration" = expected, "slow fdatasync");
        }
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

#[cfg(test)]
#[path = "meters/tests.rs"]
mod tests;
