//! The line that shows the effective configuration, with the field names of etcd.

use std::path::Path;

use crate::compaction;
use crate::data_dir::{self, Contents};
use crate::flags::settings::Settings;
use crate::handover;
use crate::logging::Logger;
use crate::logging::field::{Field, fields};
use crate::version;
use notation::duration::GoDuration;

/// Logs `starting an etcd server`.
pub(crate) fn log(settings: &Settings, contents: Contents, log: &Logger) {
    let mut all = program();
    all.extend(member(settings, contents));
    all.extend(addresses(settings, contents));
    all.extend(limits(settings));
    all.extend(discovery(settings));
    log.info("starting an etcd server", &all);
}

type Fields = Vec<(&'static str, Field)>;

fn program() -> Fields {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    fields![
        "etcd-version" => proto::limits::SERVER_VERSION,
        "git-sha" => version::COMMIT,
        "go-version" => version::GO_VERSION,
        "go-os" => version::os(),
        "go-arch" => version::arch(),
        "max-cpu-set" => threads,
        "max-cpu-available" => threads,
    ]
    .to_vec()
}

fn member(settings: &Settings, contents: Contents) -> Fields {
    let data_dir = settings.text("data-dir");
    let member_dir = data_dir::member_dir(Path::new(data_dir));
    let wal_dir = match settings.text("wal-dir") {
        "" => member_dir.join("wal").display().to_string(),
        dedicated => dedicated.to_owned(),
    };
    let millis = |name| GoDuration::from_millis(settings.uint(name));
    fields![
        "member-initialized" => contents == Contents::Member,
        "name" => settings.text("name"),
        "data-dir" => data_dir,
        "wal-dir" => wal_dir,
        "wal-dir-dedicated" => settings.text("wal-dir"),
        "member-dir" => member_dir.display().to_string(),
        "force-new-cluster" => settings.is_on("force-new-cluster"),
        "heartbeat-interval" => millis("heartbeat-interval"),
        "election-timeout" => millis("election-timeout"),
        "initial-election-tick-advance" => settings.is_on("initial-election-tick-advance"),
        "snapshot-count" => settings.uint("snapshot-count"),
        "max-wals" => settings.uint("max-wals"),
        "max-snapshots" => settings.uint("max-snapshots"),
        "snapshot-catchup-entries" => settings.uint("snapshot-catchup-entries"),
    ]
    .to_vec()
}

fn addresses(settings: &Settings, contents: Contents) -> Fields {
    // A member that exists takes its cluster from its own log.
    let initial_cluster = match contents {
        Contents::Empty => settings.text("initial-cluster"),
        Contents::Member => "",
    };
    fields![
        "initial-advertise-peer-urls" => settings.url_texts("initial-advertise-peer-urls"),
        "listen-peer-urls" => settings.url_texts("listen-peer-urls"),
        "advertise-client-urls" => settings.url_texts("advertise-client-urls"),
        "listen-client-urls" => settings.url_texts("listen-client-urls"),
        "listen-metrics-urls" => settings.url_texts("listen-metrics-urls"),
        "local-address" => "",
        "cors" => settings.list("cors"),
        "host-whitelist" => settings.list("host-whitelist"),
        "initial-cluster" => initial_cluster,
        "initial-cluster-state" => settings.text("initial-cluster-state"),
        "initial-cluster-token" => settings.text("initial-cluster-token"),
    ]
    .to_vec()
}

fn limits(settings: &Settings) -> Fields {
    // A retention that cannot be read is refused right after this line.
    let retention = compaction::retention(settings).unwrap_or_default();
    fields![
        "quota-backend-bytes" => handover::quota(settings).unwrap_or(-1),
        "max-request-bytes" => settings.uint("max-request-bytes"),
        "max-concurrent-streams" => settings.uint("max-concurrent-streams"),
        "pre-vote" => settings.is_on("pre-vote"),
        "feature-gates" => settings.gates().named(),
        "initial-corrupt-check" => settings.gates().is_on("InitialCorruptCheck"),
        "corrupt-check-time-interval" => settings.duration("corrupt-check-time"),
        "compact-check-time-interval" => settings.duration("compact-hash-check-time"),
        "auto-compaction-mode" => settings.text("auto-compaction-mode"),
        "auto-compaction-retention" => retention,
        "auto-compaction-interval" => retention,
    ]
    .to_vec()
}

fn discovery(settings: &Settings) -> Fields {
    fields![
        "discovery-token" => settings.text("discovery-token"),
        "discovery-endpoints" => settings.list("discovery-endpoints").join(","),
        "discovery-dial-timeout" => settings.duration("discovery-dial-timeout"),
        "discovery-request-timeout" => settings.duration("discovery-request-timeout"),
        "discovery-keepalive-time" => settings.duration("discovery-keepalive-time"),
        "discovery-keepalive-timeout" => settings.duration("discovery-keepalive-timeout"),
        "discovery-insecure-transport" => settings.is_on("discovery-insecure-transport"),
        "discovery-insecure-skip-tls-verify" => settings.is_on("discovery-insecure-skip-tls-verify"),
        "discovery-cert" => settings.text("discovery-cert"),
        "discovery-key" => settings.text("discovery-key"),
        "discovery-cacert" => settings.text("discovery-cacert"),
        "discovery-user" => settings.text("discovery-user"),
        "downgrade-check-interval" => settings.duration("downgrade-check-time"),
        "max-learners" => settings.int("max-learners"),
        "v2-deprecation" => "write-only",
    ]
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Support scripts read these fields out of a cluster's logs.
    #[test]
    fn names_are_unique_and_every_getter_fits() {
        let settings = Settings::default();
        let mut all = program();
        for contents in [Contents::Empty, Contents::Member] {
            all.truncate(7);
            all.extend(member(&settings, contents));
            all.extend(addresses(&settings, contents));
            all.extend(limits(&settings));
            all.extend(discovery(&settings));
        }
        assert_eq!(all.len(), 58);
        let names: std::collections::BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all.len());
    }
}
