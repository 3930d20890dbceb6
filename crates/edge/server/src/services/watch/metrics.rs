//! The hub's counts, for `/metrics`.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge};
use watch::{Hub, Stats};

const EVENTS: (&str, &str) = (
    "etcd_debugging_mvcc_events_total",
    "Total number of events sent by this member.",
);

/// Picks one count.
type Read = fn(&Stats) -> i64;

const GAUGES: [(&str, &str, Read); 4] = [
    (
        "etcd_debugging_mvcc_watch_stream_total",
        "Total number of watch streams.",
        |s| s.streams,
    ),
    (
        "etcd_debugging_mvcc_watcher_total",
        "Total number of watchers.",
        |s| s.watchers,
    ),
    (
        "etcd_debugging_mvcc_slow_watcher_total",
        "Total number of unsynced slow watchers.",
        |s| s.slow_watchers,
    ),
    (
        "etcd_debugging_mvcc_pending_events_total",
        "Total number of pending events to be sent.",
        |s| s.pending,
    ),
];

/// The metrics of all watchers of a member; to be registered once.
pub(crate) struct HubMetrics {
    hub: Arc<Hub>,
    descriptions: Vec<Desc>,
}

impl HubMetrics {
    /// The metrics of `hub`.
    ///
    /// # Errors
    /// When a name is no metric's name.
    pub(crate) fn new(hub: Arc<Hub>) -> prometheus::Result<Self> {
        let names = GAUGES
            .iter()
            .map(|(name, help, _)| (*name, *help))
            .chain([EVENTS]);
        let describe = |(name, help): (&str, &str)| {
            Desc::new(
                name.to_owned(),
                help.to_owned(),
                Vec::new(),
                Default::default(),
            )
        };
        let descriptions = names.map(describe).collect::<prometheus::Result<_>>()?;
        Ok(Self { hub, descriptions })
    }

    /// Metrics made for one look at the counts, which the hub keeps.
    fn families(&self) -> prometheus::Result<Vec<MetricFamily>> {
        let stats = self.hub.stats();
        let mut families = Vec::new();
        for (name, help, read) in GAUGES {
            let gauge = IntGauge::new(name, help)?;
            gauge.set(read(&stats));
            families.extend(gauge.collect());
        }
        let events = IntCounter::new(EVENTS.0, EVENTS.1)?;
        events.inc_by(stats.events);
        families.extend(events.collect());
        Ok(families)
    }
}

impl Collector for HubMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families()
            .expect("the names were checked when they were described")
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    /// Dashboards look for these names and types.
    #[test]
    fn names_and_types() {
        let registry = Registry::new();
        let hub = Arc::new(Hub::new(1, 0));
        registry
            .register(Box::new(HubMetrics::new(hub).unwrap()))
            .unwrap();
        let text = TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        for line in [
            "# TYPE etcd_debugging_mvcc_events_total counter",
            "# TYPE etcd_debugging_mvcc_pending_events_total gauge",
            "etcd_debugging_mvcc_slow_watcher_total 0",
            "etcd_debugging_mvcc_watch_stream_total 0",
            "etcd_debugging_mvcc_watcher_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
