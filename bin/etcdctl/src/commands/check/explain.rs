//! Why a check went as it did: what the members' own metrics say of the time in which it ran.
//!
//! It goes to standard error, so that the verdict on standard output is the one that scripts know.

use std::collections::BTreeMap;
use std::time::Duration;

use super::metrics::page;

/// Above this, writes wait for the disk more than for anything else.
const SYNC_MAX: f64 = 0.01;
/// Above this, elections take place because heartbeats are late.
const ROUND_TRIP_MAX: f64 = 0.05;
/// Above this share of the quota, writes will soon be refused.
const QUOTA_SHARE_MAX: f64 = 0.9;

/// The metrics of the members at one moment.
pub(super) struct Look {
    pages: Vec<(String, Result<Numbers, String>)>,
}

/// The sums of all series of a name, and the buckets of histograms by their bounds.
#[derive(Debug, Default)]
struct Numbers {
    sums: BTreeMap<String, f64>,
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Look {
    /// Asks all members.
    pub(super) async fn at(endpoints: &[String]) -> Self {
        let mut pages = Vec::new();
        for endpoint in endpoints {
            let numbers = page(endpoint).await.map(|text| Numbers::read(&text));
            pages.push((endpoint.clone(), numbers));
        }
        Self { pages }
    }

    /// Says what the members did since an earlier look.
    pub(super) async fn explain(&self, endpoints: &[String], took: Duration) {
        let now = Self::at(endpoints).await;
        for ((endpoint, before), (_, after)) in self.pages.iter().zip(&now.pages) {
            match (before, after) {
                (Ok(before), Ok(after)) => {
                    for line in sentences(before, after, took) {
                        eprintln!("{endpoint}: {line}");
                    }
                }
                (Err(reason), _) | (_, Err(reason)) => {
                    eprintln!("{endpoint}: its metrics cannot be read: {reason}");
                }
            }
        }
    }
}

impl Numbers {
    fn read(text: &str) -> Self {
        let mut numbers = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.trim().parse::<f64>() else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let bound = labels
                .split("le=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            match (name.strip_suffix("_bucket"), bound.map(str::parse::<f64>)) {
                (Some(name), Some(Ok(bound))) => numbers.add(name, bound, value),
                (Some(_), _) => {}
                (None, _) => *numbers.sums.entry(name.to_owned()).or_default() += value,
            }
        }
        numbers
    }

    fn add(&mut self, name: &str, bound: f64, count: f64) {
        let buckets = self.buckets.entry(name.to_owned()).or_default();
        match buckets
            .iter_mut()
            .find(|(known, _)| known.total_cmp(&bound).is_eq())
        {
            Some((_, known)) => *known += count,
            None => buckets.push((bound, count)),
        }
    }

    fn sum(&self, name: &str) -> f64 {
        self.sums.get(name).copied().unwrap_or_default()
    }

    /// How much a counter has grown.
    fn since(&self, before: &Self, name: &str) -> f64 {
        (self.sum(name) - before.sum(name)).max(0.0)
    }

    /// The bound below which 99 of 100 observations since then were.
    fn most(&self, before: &Self, name: &str) -> Option<f64> {
        let empty = Vec::new();
        let earlier = before.buckets.get(name).unwrap_or(&empty);
        let grown = |bound: f64, count: f64| {
            let earlier = earlier
                .iter()
                .find(|(known, _)| known.total_cmp(&bound).is_eq());
            count - earlier.map_or(0.0, |(_, count)| *count)
        };
        let mut buckets: Vec<(f64, f64)> = self.buckets.get(name)?.clone();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = buckets.last().map(|(bound, count)| grown(*bound, *count))?;
        let found = buckets
            .iter()
            .find(|(bound, count)| all > 0.0 && grown(*bound, *count) >= 0.99 * all);
        found.map(|(bound, _)| *bound)
    }
}

fn sentences(before: &Numbers, after: &Numbers, took: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    let millis = |seconds: f64| match seconds.is_finite() {
        true => format!("within {} ms", seconds * 1000.0),
        false => "later than all limits that are counted".to_owned(),
    };
    if let Some(sync) = after.most(before, "etcd_disk_wal_fsync_duration_seconds") {
        lines.push(format!("99 of 100 syncs of its log ended {}", millis(sync)));
        if sync > SYNC_MAX {
            lines.push("its disk is slow: writes wait for it".to_owned());
        }
    }
    if let Some(trip) = after.most(before, "etcd_network_peer_round_trip_time_seconds") {
        lines.push(format!(
            "99 of 100 round trips to its peers ended {}",
            millis(trip)
        ));
        if trip > ROUND_TRIP_MAX {
            lines.push("its peers are far away or busy".to_owned());
        }
    }
    let cores = after.since(before, "process_cpu_seconds_total") / took.as_secs_f64().max(0.001);
    if cores > 0.0 {
        lines.push(format!("it used {cores:.2} processors"));
    }
    for (name, what) in [
        (
            "etcd_server_leader_changes_seen_total",
            "changes of the leader: writes stood still meanwhile",
        ),
        (
            "etcd_server_slow_apply_total",
            "writes were slow to apply: its processors or memory are short",
        ),
        (
            "etcd_server_proposals_failed_total",
            "writes failed: there was no majority for them",
        ),
        (
            "etcd_server_heartbeat_send_failures_total",
            "heartbeats left late: its disk or processors are overloaded",
        ),
    ] {
        let count = after.since(before, name);
        if count > 0.0 {
            lines.push(format!("{count} {what}"));
        }
    }
    let quota = after.sum("etcd_server_quota_backend_bytes");
    let share = after.sum("etcd_mvcc_db_total_size_in_bytes") / quota.max(1.0);
    if quota > 0.0 && share > QUOTA_SHARE_MAX {
        let percent = (share * 100.0).round();
        lines.push(format!(
            "its store has {percent} % of its quota: compact, or raise --quota-backend-bytes"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "\
# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 1000
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.016\"} 1000
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 1000
etcd_server_leader_changes_seen_total 1
process_cpu_seconds_total 10
";
    const AFTER: &str = "\
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 1050
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.016\"} 1100
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 1100
etcd_network_peer_round_trip_time_seconds_bucket{To=\"a\",le=\"0.1\"} 5
etcd_network_peer_round_trip_time_seconds_bucket{To=\"b\",le=\"0.1\"} 5
etcd_network_peer_round_trip_time_seconds_bucket{To=\"a\",le=\"+Inf\"} 6
etcd_network_peer_round_trip_time_seconds_bucket{To=\"b\",le=\"+Inf\"} 6
etcd_server_leader_changes_seen_total 3
process_cpu_seconds_total 15
etcd_server_quota_backend_bytes 100
etcd_mvcc_db_total_size_in_bytes 95
";

    /// What happened before the check must not be blamed for it, and what happened during it must.
    #[test]
    fn only_the_time_of_the_check_counts() {
        let (before, after) = (Numbers::read(BEFORE), Numbers::read(AFTER));
        assert_eq!(
            sentences(&before, &after, Duration::from_secs(10)),
            [
                "99 of 100 syncs of its log ended within 16 ms",
                "its disk is slow: writes wait for it",
                "99 of 100 round trips to its peers ended later than all limits that are counted",
                "its peers are far away or busy",
                "it used 0.50 processors",
                "2 changes of the leader: writes stood still meanwhile",
                "its store has 95 % of its quota: compact, or raise --quota-backend-bytes",
            ]
        );
        assert!(sentences(&before, &before, Duration::from_secs(10)).is_empty());
        assert!(sentences(&Numbers::read("x{ y\n\n}"), &before, Duration::ZERO).len() < 9);
    }
}
