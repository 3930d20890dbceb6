//! Counters of calls, in the names of Go's gRPC middleware.
//!
//! Every connection thread counts in its own [`CallMetrics`], which nobody else writes, so that a
//! call costs plain stores and no shared cache line; [`Metrics::render`] adds them up.

mod handling;
mod render;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use proto::{Method, error::Code};
use tokio::time::Instant;

use self::handling::Handling;
pub use self::handling::Timing;
use crate::call::MethodId;

/// Client versions that are told apart; any further one counts as [`OTHER_VERSION`], because
/// clients choose the text.
const VERSIONS_MAX: usize = 64;
const OTHER_VERSION: &str = "other";

/// The counters of all threads.
pub struct Metrics {
    methods: &'static [Method],
    timing: Timing,
    threads: Mutex<Vec<Arc<CallMetrics>>>,
}

/// The counters of one thread; written by that thread only.
pub struct CallMetrics {
    described: &'static [Method],
    timing: Timing,
    methods: Box<[MethodCounters]>,
    received_bytes: Counter,
    sent_bytes: Counter,
    versions: Mutex<Vec<ClientVersion>>,
}

#[derive(Default)]
struct MethodCounters {
    started: Counter,
    received: Counter,
    sent: Counter,
    handled: [Counter; Code::ALL.len()],
    handling: Handling,
}

struct ClientVersion {
    streaming: bool,
    version: Box<str>,
    requests: u64,
}

/// A counter with one writer: no locked instruction.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, count: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl CallMetrics {
    fn new(described: &'static [Method], timing: Timing) -> Self {
        Self {
            described,
            timing,
            methods: described
                .iter()
                .map(|_| MethodCounters::default())
                .collect(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            versions: Mutex::default(),
        }
    }

    pub(crate) fn started(&self, method: MethodId) {
        self.of(method).started.add(1);
    }

    pub(crate) fn received(&self, method: MethodId, bytes: usize) {
        self.of(method).received.add(1);
        self.received_bytes.add(bytes as u64);
    }

    pub(crate) fn sent(&self, method: MethodId, bytes: usize) {
        self.of(method).sent.add(1);
        self.sent_bytes.add(bytes as u64);
    }

    pub(crate) fn handled(&self, method: MethodId, code: Code, began: Option<Instant>) {
        let counters = self.of(method);
        counters.handled[usize::from(code.number())].add(1);
        let Some(began) = began else { return };
        let took = began.elapsed();
        if self.timing.extensive {
            counters.handling.observe(took);
        }
        self.timing
            .warn(&self.described[usize::from(method.0)], took, code);
    }

    /// Counts a request by the version that its client claims.
    pub(crate) fn client_request(&self, streaming: bool, version: &str) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let version = if versions.len() < VERSIONS_MAX
            || versions.iter().any(|known| *known.version == *version)
        {
            version
        } else {
            OTHER_VERSION
        };
        let known = versions
            .iter_mut()
            .find(|known| known.streaming == streaming && *known.version == *version);
        match known {
            Some(known) => known.requests += 1,
            None => versions.push(ClientVersion {
                streaming,
                version: version.into(),
                requests: 1,
            }),
        }
    }

    fn of(&self, method: MethodId) -> &MethodCounters {
        &self.methods[usize::from(method.0)]
    }
}

impl Metrics {
    /// Counters for these methods, all zero.
    #[must_use]
    pub fn new(methods: &'static [Method], timing: Timing) -> Self {
        Self {
            methods,
            timing,
            threads: Mutex::default(),
        }
    }

    /// The counters of one more thread.
    pub(crate) fn thread(&self) -> Arc<CallMetrics> {
        let metrics = Arc::new(CallMetrics::new(self.methods, self.timing));
        self.lock().push(Arc::clone(&metrics));
        metrics
    }

    /// Appends all series in Prometheus' text format.
    pub fn render(&self, out: &mut String) {
        render::render(self.methods, self.timing.extensive, &self.lock(), out);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<CallMetrics>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call being counted; a call that is dropped without an end counts as cancelled.
pub(crate) struct Counted {
    metrics: Arc<CallMetrics>,
    method: MethodId,
    began: Option<Instant>,
    ended: bool,
}

impl Counted {
    pub(crate) fn start(metrics: &Arc<CallMetrics>, method: MethodId) -> Self {
        metrics.started(method);
        Self {
            metrics: Arc::clone(metrics),
            method,
            began: metrics.timing.is_wanted().then(Instant::now),
            ended: false,
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.metrics.received(self.method, bytes);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.metrics.sent(self.method, bytes);
    }

    pub(crate) fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.ended, true) {
            self.metrics.handled(self.method, code, self.began);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dashboards sum over series that have to be there before the first call.
    #[test]
    fn series() {
        let timing = Timing {
            extensive: true,
            slow_from: None,
        };
        let metrics = Metrics::new(&proto::METHODS, timing);
        let mut out = String::new();
        metrics.thread();
        metrics.render(&mut out);
        let handled = |out: &str| {
            out.lines()
                .filter(|line| line.starts_with("grpc_server_handled_total{"))
                .count()
        };
        assert_eq!(handled(&out), 45 * 17);
        assert!(!out.contains("client_requests"));
        let times = "grpc_server_handling_seconds_bucket{";
        let times = out.lines().filter(|line| line.starts_with(times)).count();
        assert_eq!(times, 45 * 12);

        let (one, two) = (metrics.thread(), metrics.thread());
        let place = proto::METHODS
            .iter()
            .position(|m| m.name == "Lock")
            .unwrap();
        let method = MethodId(u16::try_from(place).unwrap());
        for thread in [&one, &two] {
            let mut counted = Counted::start(thread, method);
            counted.received(3);
            counted.sent(4);
            counted.end(Code::Ok);
        }
        drop(Counted::start(&one, method));
        one.client_request(false, "3.\"7");
        two.client_request(false, "3.\"7");
        out.clear();
        metrics.render(&mut out);
        assert_eq!(handled(&out), 46 * 17);
        let labels = r#"grpc_method="Lock",grpc_service="v3lockpb.Lock",grpc_type="unary""#;
        for line in [
            format!("grpc_server_handled_total{{grpc_code=\"OK\",{labels}}} 2"),
            format!("grpc_server_handled_total{{grpc_code=\"Canceled\",{labels}}} 1"),
            format!("grpc_server_started_total{{{labels}}} 3"),
            format!("grpc_server_handling_seconds_count{{{labels}}} 3"),
            format!("grpc_server_handling_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("grpc_server_msg_received_total{{{labels}}} 2"),
            "etcd_network_client_grpc_received_bytes_total 6".to_owned(),
            "etcd_network_client_grpc_sent_bytes_total 8".to_owned(),
            r#"etcd_server_client_requests_total{client_api_version="3.\"7",type="unary"} 2"#
                .to_owned(),
        ] {
            assert!(
                out.lines().any(|have| have == line),
                "{line} is missing in\n{out}"
            );
        }
    }

    /// A client that invents versions must not fill the memory.
    #[test]
    fn versions_are_bounded() {
        let metrics = CallMetrics::new(&[], Timing::default());
        for number in 0..1000 {
            metrics.client_request(false, &number.to_string());
        }
        let versions = metrics.versions.lock().unwrap();
        assert_eq!(versions.len(), VERSIONS_MAX + 1);
        assert_eq!(&*versions[VERSIONS_MAX].version, OTHER_VERSION);
    }
}
