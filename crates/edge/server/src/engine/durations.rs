//! How long operations take, in etcd's histograms.
//!
//! Every thread counts in histograms of its own, which nobody else writes: an observation is a few
//! plain stores and no shared cache line. A scrape adds them up.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ops::Op;

/// The most bounds that one of the histograms has.
const BOUNDS_MAX: usize = 20;

/// The shape of a histogram: bounds that double.
#[derive(Clone, Copy, Debug)]
struct Shape {
    name: &'static str,
    help: &'static str,
    first_nanos: u64,
    bounds: usize,
}

const REQUEST: Shape = Shape {
    name: "etcd_server_request_duration_seconds",
    help: "Response latency of the requests that the server has carried out, in seconds.",
    first_nanos: 1_000_000,
    bounds: 14,
};
const APPLY: Shape = Shape {
    name: "etcd_server_apply_duration_seconds",
    help: "The latency distributions of applying an entry.",
    first_nanos: 100_000,
    bounds: 20,
};
const RANGE: Shape = Shape {
    name: "etcd_server_range_duration_seconds",
    help: "The latency distributions of reading a range from the store.",
    first_nanos: 100_000,
    bounds: 20,
};

/// What a watch stream sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Events.
    Events,
    /// That a watcher stands, or is gone.
    Control,
    /// How far the history has come.
    Progress,
}

const SENT: [Shape; 3] = {
    const fn shape(name: &'static str, help: &'static str) -> Shape {
        Shape {
            name,
            help,
            first_nanos: 1_000_000,
            bounds: 14,
        }
    }
    [
        shape(
            "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds",
            "How long sending a response with events takes, in seconds.",
        ),
        shape(
            "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds",
            "How long sending a response about a watcher takes, in seconds.",
        ),
        shape(
            "etcd_debugging_server_watch_send_loop_progress_duration_seconds",
            "How long sending a notification of progress takes, in seconds.",
        ),
    ]
};
const SENT_PER_EVENT: Shape = Shape {
    name: "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds",
    help: "How long sending a response with events takes, divided by their number, in seconds.",
    first_nanos: 1_000_000,
    bounds: 14,
};

/// One histogram of one thread.
#[derive(Debug, Default)]
struct Histogram {
    counts: [AtomicU64; BOUNDS_MAX + 1],
    nanos: AtomicU64,
}

impl Histogram {
    fn observe(&self, shape: &Shape, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        add(&self.counts[bucket(shape, nanos)], 1);
        add(&self.nanos, nanos);
    }
}

/// The first bound that is not below the value, or what lies beyond the last one.
fn bucket(shape: &Shape, nanos: u64) -> usize {
    let firsts = nanos.saturating_sub(1) / shape.first_nanos;
    let doublings = u64::BITS - firsts.leading_zeros();
    (doublings as usize).min(shape.bounds)
}

/// Adds to a count that only this thread writes.
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Relaxed).wrapping_add(more), Relaxed);
}

/// The histograms of one thread; written by that thread only.
#[derive(Debug, Default)]
pub(crate) struct ThreadDurations {
    requests: Outcomes<{ Op::COUNT }>,
    applies: Outcomes<{ Op::COUNT }>,
    ranges: Outcomes<1>,
    sent: [Histogram; SENT.len()],
    sent_per_event: Histogram,
}

/// Histograms of operations that failed and that did not.
#[derive(Debug)]
struct Outcomes<const N: usize>([[Histogram; 2]; N]);

impl<const N: usize> Default for Outcomes<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Default::default()))
    }
}

impl ThreadDurations {
    /// A request was carried out, from its reading or its proposal to its answer.
    pub(crate) fn request(&self, op: Op, took: Duration, succeeded: bool) {
        self.requests.0[op.place()][usize::from(succeeded)].observe(&REQUEST, took);
    }

    /// An entry was applied.
    pub(crate) fn apply(&self, op: Op, took: Duration, succeeded: bool) {
        self.applies.0[op.place()][usize::from(succeeded)].observe(&APPLY, took);
    }

    /// A range was read.
    pub(crate) fn range(&self, took: Duration, succeeded: bool) {
        self.ranges.0[0][usize::from(succeeded)].observe(&RANGE, took);
    }

    /// A watch stream has sent something with so many events.
    pub(crate) fn sent(&self, what: Sent, took: Duration, events: usize) {
        let place = what as usize;
        self.sent[place].observe(&SENT[place], took);
        if let Ok(events) = u32::try_from(events)
            && events > 0
        {
            self.sent_per_event.observe(&SENT_PER_EVENT, took / events);
        }
    }
}

/// The histograms of all threads.
#[derive(Debug, Default)]
pub(crate) struct Durations(Mutex<Vec<Arc<ThreadDurations>>>);

impl Durations {
    /// The histograms of one more thread.
    pub(crate) fn thread(&self) -> Arc<ThreadDurations> {
        let thread = Arc::<ThreadDurations>::default();
        self.lock().push(Arc::clone(&thread));
        thread
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<ThreadDurations>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends all series in Prometheus' text format.
    pub(crate) fn render(&self, out: &mut String) {
        let threads = self.lock();
        let mut family = Family::new(out, &REQUEST);
        family.outcomes(&threads, |t| &t.requests.0, |op| format!("type=\"{op}\","));
        let mut family = Family::new(out, &APPLY);
        let labels = |op: &str| format!("op=\"{op}\",version=\"v3\",");
        family.outcomes(&threads, |t| &t.applies.0, labels);
        let mut family = Family::new(out, &RANGE);
        family.outcomes(&threads, |t| &t.ranges.0, |_| String::new());
        for (place, shape) in SENT.iter().enumerate() {
            let of = |t: &ThreadDurations| Sum::of_one(&t.sent[place]);
            let total = threads
                .iter()
                .map(|t| of(t))
                .fold(Sum::default(), Sum::plus);
            Family::new(out, shape).series("", &total);
        }
        let total = threads
            .iter()
            .map(|t| Sum::of_one(&t.sent_per_event))
            .fold(Sum::default(), Sum::plus);
        Family::new(out, &SENT_PER_EVENT).series("", &total);
    }
}

/// A histogram added up over threads.
#[derive(Clone, Default)]
struct Sum {
    counts: [u64; BOUNDS_MAX + 1],
    nanos: u64,
}

impl Sum {
    fn of_one(histogram: &Histogram) -> Self {
        let counts = std::array::from_fn(|at| histogram.counts[at].load(Relaxed));
        Self {
            counts,
            nanos: histogram.nanos.load(Relaxed),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            counts: std::array::from_fn(|at| self.counts[at] + other.counts[at]),
            nanos: self.nanos.wrapping_add(other.nanos),
        }
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
}

/// The series of one name.
struct Family<'a> {
    out: &'a mut String,
    shape: &'a Shape,
}

impl<'a> Family<'a> {
    fn new(out: &'a mut String, shape: &'a Shape) -> Self {
        let (name, help) = (shape.name, shape.help);
        // Writing into a String cannot fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        Self { out, shape }
    }

    /// The series of what has occurred.
    fn outcomes<const N: usize>(
        &mut self,
        threads: &[Arc<ThreadDurations>],
        of: impl Fn(&ThreadDurations) -> &[[Histogram; 2]; N],
        labels: impl Fn(&str) -> String,
    ) {
        for place in 0..N {
            for (succeeded, text) in ["false", "true"].into_iter().enumerate() {
                let total = threads
                    .iter()
                    .map(|thread| Sum::of_one(&of(thread)[place][succeeded]))
                    .fold(Sum::default(), Sum::plus);
                if !total.is_empty() {
                    let labels = labels(Op::name(place));
                    self.series(&format!("{labels}success=\"{text}\""), &total);
                }
            }
        }
    }

    fn series(&mut self, labels: &str, total: &Sum) {
        let name = self.shape.name;
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for at in 0..=self.shape.bounds {
            below += total.counts[at];
            let bound = match at < self.shape.bounds {
                true => seconds(self.shape.first_nanos << at).to_string(),
                false => "+Inf".to_owned(),
            };
            let line = format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}\n");
            // Writing into a String cannot fail.
            let _ = self.out.write_fmt(line);
        }
        let labels = match labels {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        let sum = seconds(total.nanos);
        let _ = write!(
            self.out,
            "{name}_sum{labels} {sum}\n{name}_count{labels} {below}\n"
        );
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds are inclusive, and the last one catches the rest.
    #[test]
    fn buckets() {
        for (micros, want) in [
            (0, 0),
            (100, 0),
            (101, 1),
            (200, 1),
            (201, 2),
            (u64::MAX >> 12, 20),
        ] {
            assert_eq!(
                bucket(&RANGE, micros.saturating_mul(1000)),
                want,
                "{micros}"
            );
        }
        assert_eq!(bucket(&REQUEST, 1 << 62), 14);
    }

    /// What the dashboards query.
    #[test]
    fn series() {
        let durations = Durations::default();
        let (one, two) = (durations.thread(), durations.thread());
        for thread in [&one, &two] {
            thread.request(Op::RANGE, Duration::from_millis(3), true);
            thread.range(Duration::from_micros(250), false);
        }
        one.sent(Sent::Events, Duration::from_millis(4), 2);
        let mut text = String::new();
        durations.render(&mut text);
        for line in [
            r#"etcd_server_request_duration_seconds_bucket{type="Range",success="true",le="0.002"} 0"#,
            r#"etcd_server_request_duration_seconds_bucket{type="Range",success="true",le="0.004"} 2"#,
            r#"etcd_server_request_duration_seconds_bucket{type="Range",success="true",le="8.192"} 2"#,
            r#"etcd_server_request_duration_seconds_sum{type="Range",success="true"} 0.006"#,
            r#"etcd_server_range_duration_seconds_bucket{success="false",le="0.0004"} 2"#,
            r#"etcd_server_range_duration_seconds_count{success="false"} 2"#,
            "# TYPE etcd_server_apply_duration_seconds histogram",
            "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds_count 1",
            r#"etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds_bucket{le="0.002"} 1"#,
            "etcd_debugging_server_watch_send_loop_progress_duration_seconds_count 0",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
        assert!(!text.contains("Txn"));
    }
}
