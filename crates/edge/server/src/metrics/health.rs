//! How often this member was asked whether it is well, and what it said.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

/// The counts of health checks.
#[derive(Clone, Debug)]
pub(crate) struct HealthMeters {
    success: IntCounter,
    failures: IntCounter,
    last: IntGaugeVec,
    checks: IntCounterVec,
}

impl HealthMeters {
    /// Registers the counts.
    ///
    /// # Errors
    /// When a name is registered already.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let meters = Self {
            success: IntCounter::new(
                "etcd_server_health_success",
                "The total number of successful health checks.",
            )?,
            failures: IntCounter::new(
                "etcd_server_health_failures",
                "The total number of failed health checks.",
            )?,
            last: IntGaugeVec::new(
                Opts::new(
                    "etcd_server_healthcheck",
                    "The result of each health check.",
                ),
                &["type", "name"],
            )?,
            checks: IntCounterVec::new(
                Opts::new(
                    "etcd_server_healthchecks_total",
                    "The results of all health checks.",
                ),
                &["type", "name", "status"],
            )?,
        };
        registry.register(Box::new(meters.success.clone()))?;
        registry.register(Box::new(meters.failures.clone()))?;
        registry.register(Box::new(meters.last.clone()))?;
        registry.register(Box::new(meters.checks.clone()))?;
        Ok(meters)
    }

    /// `/health` was asked.
    pub(crate) fn asked(&self, is_healthy: bool) {
        match is_healthy {
            true => self.success.inc(),
            false => self.failures.inc(),
        }
    }

    /// A check of `/livez` or `/readyz` was made.
    pub(crate) fn checked(&self, kind: &str, name: &str, passed: bool) {
        let status = if passed { "success" } else { "error" };
        self.last
            .with_label_values(&[kind, name])
            .set(i64::from(passed));
        self.checks.with_label_values(&[kind, name, status]).inc();
    }
}
