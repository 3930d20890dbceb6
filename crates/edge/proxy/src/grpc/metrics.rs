//! What `/proxy/metrics` shows.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use super::services::Shared;

/// The counters of the proxy.
#[derive(Clone)]
pub(super) struct Metrics(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    calls: OnceLock<Arc<rpc::Metrics>>,
}

impl Metrics {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let calls = OnceLock::new();
        Self(Arc::new(Inner { shared, calls }))
    }

    /// Adds the counters of calls; the first ones count.
    pub(super) fn set_calls(&self, calls: Arc<rpc::Metrics>) {
        let _ = self.0.calls.set(calls);
    }

    /// All values in Prometheus' text format.
    pub(super) fn render(&self) -> String {
        let shared = &self.0.shared;
        let (hits, misses, keys) = shared.cache.counts();
        let (watchers, events) = shared.groups.counts();
        let renewals = shared.renewals.shared();
        let mut text = String::new();
        for (name, kind, help, value) in [
            (
                "cache_hits_total",
                "gauge",
                "Total number of cache hits",
                hits,
            ),
            (
                "cache_keys_total",
                "gauge",
                "Total number of keys/ranges cached",
                keys as u64,
            ),
            (
                "cache_misses_total",
                "gauge",
                "Total number of cache misses",
                misses,
            ),
            (
                "events_coalescing_total",
                "counter",
                "Total number of events coalescing",
                events,
            ),
            (
                "watchers_coalescing_total",
                "gauge",
                "Total number of current watchers coalescing",
                watchers as u64,
            ),
            (
                "keepalives_coalescing_total",
                "counter",
                "Total number of lease renewals coalescing",
                renewals,
            ),
        ] {
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                "# HELP etcd_grpc_proxy_{name} {help}\n# TYPE etcd_grpc_proxy_{name} {kind}\netcd_grpc_proxy_{name} {value}\n"
            );
        }
        if let Some(calls) = self.0.calls.get() {
            calls.render(&mut text);
        }
        text
    }
}
