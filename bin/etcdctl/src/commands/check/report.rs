//! Latencies, and the verdict on them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::Outcome;

/// The share of the wanted rate that is enough.
const RATE_SHARE_MIN: f64 = 0.9;
/// The longest that one put may take, in seconds.
const SLOWEST_MAX: f64 = 0.5;
/// The largest standard deviation of the latency, in seconds.
const DEVIATION_MAX: f64 = 0.1;

/// What is known of the puts so far; sums instead of a list, because there may be millions.
#[derive(Debug, Default)]
pub(super) struct Report {
    count: u32,
    sum: f64,
    sum_of_squares: f64,
    slowest: f64,
    pub(super) errors: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Ok(latency) => {
                let seconds = latency.as_secs_f64();
                self.count += 1;
                self.sum += seconds;
                self.sum_of_squares += seconds * seconds;
                self.slowest = self.slowest.max(seconds);
            }
            Err(error) => *self.errors.entry(error.to_string()).or_default() += 1,
        }
    }

    /// The verdict, line by line, and whether all of it is good.
    pub(super) fn verdict(&self, wanted_rate: u32, took: Duration) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        let mut all = self.errors.is_empty();
        if !all {
            lines.push("FAIL: too many errors".to_owned());
            let counted = self.errors.iter();
            lines.extend(counted.map(|(error, count)| format!("FAIL: ERROR({error}) -> {count}")));
        }
        let mut judge = |good: bool, pass: String, fail: String| {
            all &= good;
            lines.push(if good {
                format!("PASS: {pass}")
            } else {
                format!("FAIL: {fail}")
            });
        };
        let rate = f64::from(self.count) / took.as_secs_f64().max(f64::MIN_POSITIVE);
        let shown = rate.round();
        judge(
            rate > RATE_SHARE_MIN * f64::from(wanted_rate),
            format!("Throughput is {shown} writes/s"),
            format!("Throughput too low: {shown} writes/s"),
        );
        let slowest = self.slowest;
        judge(
            slowest <= SLOWEST_MAX,
            format!("Slowest request took {slowest:.6}s"),
            format!("Slowest request took too long: {slowest:.6}s"),
        );
        let deviation = self.deviation();
        judge(
            deviation <= DEVIATION_MAX,
            format!("Stddev is {deviation:.6}s"),
            format!("Stddev too high: {deviation:.6}s"),
        );
        lines.push(if all { "PASS" } else { "FAIL" }.to_owned());
        (lines, all)
    }

    fn deviation(&self) -> f64 {
        let count = f64::from(self.count.max(1));
        let mean = self.sum / count;
        (self.sum_of_squares / count - mean * mean).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::ClientError;

    fn report(millis: &[u64]) -> Report {
        let mut report = Report::default();
        for latency in millis {
            report.add(Ok(Duration::from_millis(*latency)));
        }
        report
    }

    /// The lines that scripts look at after a check.
    #[test]
    fn good_and_bad_runs_are_told_apart() {
        let (lines, good) = report(&[100, 200]).verdict(2, Duration::from_secs(1));
        assert!(good);
        assert_eq!(
            lines,
            [
                "PASS: Throughput is 2 writes/s",
                "PASS: Slowest request took 0.200000s",
                "PASS: Stddev is 0.050000s",
                "PASS",
            ]
        );
        let mut slow = report(&[100, 900]);
        slow.add(Err(ClientError::Canceled));
        let (lines, good) = slow.verdict(10, Duration::from_secs(1));
        assert!(!good);
        assert_eq!(
            lines,
            [
                "FAIL: too many errors",
                "FAIL: ERROR(context canceled) -> 1",
                "FAIL: Throughput too low: 2 writes/s",
                "FAIL: Slowest request took too long: 0.900000s",
                "FAIL: Stddev too high: 0.400000s",
                "FAIL",
            ]
        );
    }

    /// A member that answers nothing must fail the check, not crash it.
    #[test]
    fn nothing_is_a_failure() {
        let (lines, good) = report(&[]).verdict(150, Duration::ZERO);
        assert!(!good);
        assert_eq!(lines[0], "FAIL: Throughput too low: 0 writes/s");
    }
}
