//! What the rounds have shown.

use std::collections::BTreeMap;

use crate::load::Measured;
use crate::options::Kind;
use crate::statistics::{median, percentile};

/// One figure of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// CPU time of the server for an operation, in microseconds.
    CpuMicros,
    /// Operations in a second.
    Throughput,
    /// The median of latency, in microseconds.
    P50,
    /// The latency that one call in a hundred exceeds.
    P99,
    /// The latency that one call in a thousand exceeds.
    P999,
    /// Bytes that the server had written to the disk for an operation.
    WrittenBytes,
    /// The server's resident memory, in bytes.
    Resident,
    /// The same without pages of mapped files.
    Anonymous,
    /// Time that something took, in seconds.
    Seconds,
    /// CPU time that something took, in seconds.
    CpuSeconds,
    /// The share of its core that the load generator used.
    LoadShare,
}

/// The figures of one run of a scenario.
pub(crate) type Sample = BTreeMap<Metric, f64>;

/// The figures of a load.
pub(crate) fn sample_of(measured: &Measured) -> Sample {
    let operations = measured.latencies.len() as f64;
    let seconds = measured.elapsed.as_secs_f64();
    let micros = |share| percentile(&measured.latencies, share) as f64 / 1e3;
    Sample::from([
        (Metric::CpuMicros, measured.server.cpu_micros / operations),
        (Metric::Throughput, operations / seconds),
        (Metric::P50, micros(0.5)),
        (Metric::P99, micros(0.99)),
        (Metric::P999, micros(0.999)),
        (
            Metric::WrittenBytes,
            measured.server.written_bytes / operations,
        ),
        (Metric::LoadShare, measured.load.cpu_micros / 1e6 / seconds),
    ])
}

/// All samples of a suite.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// What was measured, in the order of the first round.
    titles: Vec<&'static str>,
    samples: BTreeMap<(&'static str, Kind), Vec<Sample>>,
}

impl Results {
    pub(crate) fn add(&mut self, title: &'static str, kind: Kind, sample: Sample) {
        eprintln!("{title}, {kind:?}: {sample:.1?}");
        if !self.titles.contains(&title) {
            self.titles.push(title);
        }
        self.samples.entry((title, kind)).or_default().push(sample);
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, title: &'static str, kind: Kind, metric: Metric) -> Option<f64> {
        let samples = self.samples.get(&(title, kind))?;
        median(
            samples
                .iter()
                .filter_map(|sample| sample.get(&metric).copied())
                .collect(),
        )
    }

    /// What was measured of whom.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        let kinds = [Kind::Ours, Kind::Reference];
        let runs = self
            .titles
            .iter()
            .flat_map(move |&title| kinds.map(|kind| (title, kind)));
        runs.filter(|run| self.samples.contains_key(run))
    }
}
