//! From settings to what the server takes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use disk::RealDir;
use rpc::{AccessControl, AddressError, Allowed, Keepalive, ListenAddress, SocketOptions};
use server::credentials::TokenOptionsError;
use server::engine::{self, CommitPolicy, Limits};
use server::membership::CorruptionChecks;
use server::{ListenerTls, ServerConfig, TraceConfig, UsageConfig};

use crate::audit::{self, AuditError};
use crate::compaction::{self, RetentionError};
use crate::credentials;
use crate::data_dir;
use crate::flags::settings::Settings;
use crate::gates;
use notation::initial_cluster::Members;
use notation::url::Url;

/// What a request may take beside two election timeouts.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the leader notes what is left of a lease that lives longer; etcd's interval.
const LEASE_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(300);
const BATCH_INTERVAL: Duration = Duration::from_millis(100);
const BATCH_OPS: usize = 10_000;
const COMPACTION_PAUSE: Duration = Duration::from_millis(10);
const COMPACTION_KEYS: usize = 1000;
const DOWNGRADE_CHECK: Duration = Duration::from_secs(5);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(600);

/// Why settings cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    /// A URL asks for TLS for clients.
    #[error(
        "TLS key/cert (--cert-file, --key-file) must be provided for client url {0} with HTTPS scheme"
    )]
    ClientTls(String),
    /// A URL asks for TLS for peers.
    #[error("cannot listen on TLS for {0}: KeyFile and CertFile are not presented")]
    PeerTls(String),
    /// A URL asks for TLS for metrics.
    #[error(
        "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url"
    )]
    MetricsTls,
    /// Two kinds of listeners at one place.
    #[error(
        "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url {0}"
    )]
    SharedUrl(String),
    /// A port that does not exist.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The history to keep.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// How callers prove who they are.
    #[error(transparent)]
    Credentials(#[from] TokenOptionsError),
}

/// A call that takes so long is worth a warning, unless something else is said.
const SLOW_CALL: Duration = Duration::from_millis(300);

/// What the server is to be started with.
pub(crate) fn server_config(
    settings: &Settings,
    initial_cluster: Members,
    connections_max: usize,
    tls: ListenerTls,
) -> Result<ServerConfig, HandoverError> {
    check_urls(settings, &tls)?;
    let addresses = |name| {
        settings
            .urls(name)
            .iter()
            .map(address)
            .collect::<Result<Vec<_>, _>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(ServerConfig {
        engine: engine_config(settings, initial_cluster, threads)?,
        rpc: rpc_config(settings, threads, connections_max),
        sockets: SocketOptions {
            reuse_port: settings.is_on("socket-reuse-port"),
        },
        peer: addresses("listen-peer-urls")?,
        peers: server::PeerConfig {
            urls: settings.url_texts("initial-advertise-peer-urls"),
            read_timeout: peer_timeout(settings, "raft-read-timeout"),
            ..server::PeerConfig::default()
        },
        client: addresses("listen-client-urls")?,
        client_http: addresses("listen-client-http-urls")?,
        metrics: addresses("listen-metrics-urls")?,
        gateway: settings.is_on("enable-grpc-gateway"),
        tls,
        features: settings.gates().features(),
        // As in etcd, whoever logs everything may see everything.
        profiles: settings.is_on("enable-pprof") || settings.text("log-level") == "debug",
        audit: audit::config(settings)?,
        traces: traces(settings),
        usage: usage(settings),
        warning_apply: settings
            .duration("warning-apply-duration")
            .positive()
            .unwrap_or_default(),
    })
}

/// What is counted; the words were checked before.
fn usage(settings: &Settings) -> UsageConfig {
    let has = |word: &str| settings.list("usage-metrics").iter().any(|one| one == word);
    UsageConfig {
        client: has("client"),
        user: has("user"),
        prefix: has("prefix"),
        prefixes: settings.list("usage-metrics-prefixes").to_vec(),
    }
}

/// Where traces go; the rate was checked before.
fn traces(settings: &Settings) -> Option<TraceConfig> {
    let text = |name| settings.text(name).to_owned();
    let sampled = settings.int("distributed-tracing-sampling-rate");
    settings
        .is_on("enable-distributed-tracing")
        .then(|| TraceConfig {
            address: text("distributed-tracing-address"),
            service: text("distributed-tracing-service-name"),
            instance: text("distributed-tracing-instance-id"),
            sampled: u64::try_from(sampled).unwrap_or_default(),
        })
}

fn address(url: &Url) -> Result<ListenAddress, AddressError> {
    url.to_string().parse()
}

fn check_urls(settings: &Settings, tls: &ListenerTls) -> Result<(), HandoverError> {
    let secure = |name: &str| settings.urls(name).iter().find(|url| url.scheme().is_tls());
    if let Some(url) = secure("listen-peer-urls").filter(|_| tls.peer.is_none()) {
        return Err(HandoverError::PeerTls(url.host_port().to_owned()));
    }
    let client = secure("listen-client-urls").or(secure("listen-client-http-urls"));
    if let Some(url) = client.filter(|_| tls.client.is_none()) {
        return Err(HandoverError::ClientTls(url.to_string()));
    }
    if secure("listen-metrics-urls").is_some() && tls.metrics.is_none() {
        return Err(HandoverError::MetricsTls);
    }
    let http = settings.urls("listen-client-http-urls");
    let shared = settings
        .urls("listen-client-urls")
        .iter()
        .find(|url| http.contains(url));
    match shared.filter(|url| url.port() != "0") {
        Some(url) => Err(HandoverError::SharedUrl(url.to_string())),
        None => Ok(()),
    }
}

fn engine_config(
    settings: &Settings,
    initial_cluster: Members,
    threads: usize,
) -> Result<engine::Config, HandoverError> {
    let member_dir = data_dir::member_dir(Path::new(settings.text("data-dir")));
    let (wal_parent, wal_name) = wal_place(settings);
    let heartbeat = Duration::from_millis(settings.uint("heartbeat-interval"));
    let election = Duration::from_millis(settings.uint("election-timeout"));
    let ticks = settings.uint("election-timeout") / settings.uint("heartbeat-interval").max(1);
    let sync = !settings.is_on("unsafe-no-fsync");
    let or = |name, default| settings.duration(name).positive().unwrap_or(default);
    Ok(engine::Config {
        member_dir: Arc::new(RealDir::new(member_dir)),
        wal_parent: Arc::new(wal_parent),
        wal_name,
        name: settings.text("name").to_owned(),
        initial_cluster,
        initial_cluster_token: settings.text("initial-cluster-token").to_owned(),
        join: None,
        client_urls: settings.url_texts("advertise-client-urls"),
        wal: wal::Options {
            sync,
            ..wal::Options::default()
        },
        store: store::Options {
            sync,
            // Keyed by the operating system's randomness.
            salt: RandomState::new().hash_one(std::process::id()),
            ..store::Options::default()
        },
        mvcc: mvcc::Options::default(),
        membership: cluster::Options {
            learners_max: usize::try_from(settings.int("max-learners")).unwrap_or_default(),
        },
        leases: leases(settings, election),
        limits: limits(settings, election),
        commit: CommitPolicy {
            interval: or("backend-batch-interval", BATCH_INTERVAL),
            ops: positive(settings.int("backend-batch-limit"), BATCH_OPS),
        },
        compaction: compaction::policy(settings)?,
        compaction_pause: or("compaction-sleep-interval", COMPACTION_PAUSE),
        compaction_keys: positive(settings.int("compaction-batch-limit"), COMPACTION_KEYS),
        early_election: settings.is_on("initial-election-tick-advance"),
        heartbeat,
        election_ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
        pre_vote: settings.is_on("pre-vote"),
        snapshot_count: settings.uint("snapshot-count"),
        catch_up_entries: settings.uint("snapshot-catchup-entries"),
        credentials: credentials::config(settings)?,
        max_wals: settings.size("max-wals"),
        force_new_cluster: settings.is_on("force-new-cluster"),
        corruption: corruption(settings),
        downgrade_check: or("downgrade-check-time", DOWNGRADE_CHECK),
        threads,
    })
}

fn corruption(settings: &Settings) -> CorruptionChecks {
    let gates = settings.gates();
    let compactions = settings.duration("compact-hash-check-time").positive();
    CorruptionChecks {
        initial: gates.is_on("InitialCorruptCheck"),
        periodic: settings.duration("corrupt-check-time").positive(),
        compactions: compactions.filter(|_| gates.is_on("CompactHashCheck")),
    }
}

fn positive(number: i64, default: usize) -> usize {
    usize::try_from(number)
        .ok()
        .filter(|&number| number > 0)
        .unwrap_or(default)
}

/// The directory that holds the log's directory, and its name there.
pub(crate) fn wal_place(settings: &Settings) -> (RealDir, String) {
    let dedicated = Path::new(settings.text("wal-dir"));
    match dedicated.file_name() {
        Some(name) => {
            let parent = dedicated.parent().unwrap_or(Path::new(""));
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            (RealDir::new(parent), name.to_string_lossy().into_owned())
        }
        None => {
            let member = data_dir::member_dir(Path::new(settings.text("data-dir")));
            (RealDir::new(member), "wal".to_owned())
        }
    }
}

/// Bytes of storage at which an alarm is raised; none for no limit.
pub(crate) fn quota(settings: &Settings) -> Option<i64> {
    match settings.int("quota-backend-bytes") {
        0 => Some(proto::limits::DEFAULT_QUOTA_BYTES),
        quota if quota < 0 => None,
        quota => Some(quota),
    }
}

fn leases(settings: &Settings, election: Duration) -> lease::Options {
    let is_on = settings.gates().is_on(gates::CHECKPOINT);
    lease::Options {
        checkpoint_every: is_on.then_some(LEASE_CHECKPOINT_INTERVAL),
        ..lease::Options::for_election_timeout(election)
    }
}

fn limits(settings: &Settings, election: Duration) -> Limits {
    let progress = settings
        .duration("watch-progress-notify-interval")
        .positive();
    Limits {
        max_request_bytes: settings.size("max-request-bytes"),
        max_txn_ops: settings.size("max-txn-ops"),
        quota_bytes: quota(settings).and_then(|quota| u64::try_from(quota).ok()),
        request_timeout: REQUEST_TIMEOUT + election * 2,
        election_timeout: election,
        watch_progress_interval: progress.unwrap_or(PROGRESS_INTERVAL),
        strict_reconfig: settings.is_on("strict-reconfig-check"),
    }
}

/// How long a connection with another member may make no progress; a file cannot say it.
fn peer_timeout(settings: &Settings, name: &str) -> Duration {
    settings.duration(name).positive().unwrap_or_default()
}

fn rpc_config(settings: &Settings, threads: usize, connections_max: usize) -> rpc::Config {
    let interval = settings.duration("grpc-keepalive-interval").positive();
    let timeout = settings.duration("grpc-keepalive-timeout").positive();
    let streams = u32::try_from(settings.uint("max-concurrent-streams"));
    let allowed = |name| Allowed::new(settings.list(name).iter().cloned());
    rpc::Config {
        threads,
        connections_max,
        message_bytes_max: settings
            .size("max-request-bytes")
            .saturating_add(proto::limits::GRPC_OVERHEAD_BYTES),
        max_concurrent_streams: streams.unwrap_or(u32::MAX),
        keepalive: interval
            .zip(timeout)
            .map(|(interval, timeout)| Keepalive { interval, timeout }),
        ping_interval_min: settings
            .duration("grpc-keepalive-min-time")
            .positive()
            .unwrap_or_default(),
        peer_write_timeout: peer_timeout(settings, "raft-write-timeout"),
        access: AccessControl {
            origins: allowed("cors"),
            hosts: allowed("host-whitelist"),
        },
        timing: rpc::Timing {
            extensive: settings.text("metrics") == "extensive",
            slow_from: settings
                .duration("warning-unary-request-duration")
                .positive()
                .or(Some(SLOW_CALL)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::settings::Source;
    use crate::flags::table;

    fn settings(values: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in values {
            let flag = table::find(name).unwrap();
            settings.parse(flag, value, Source::Flag).unwrap();
        }
        settings
    }

    fn config(values: &[(&str, &str)]) -> Result<ServerConfig, String> {
        let made = server_config(&settings(values), Members::new(), 1, ListenerTls::default());
        made.map_err(|error| error.to_string())
    }

    /// A limit that does not arrive is no limit.
    #[test]
    fn values_arrive() {
        let config = config(&[
            ("quota-backend-bytes", "-1"),
            ("election-timeout", "3000"),
            ("max-request-bytes", "1000"),
            ("unsafe-no-fsync", "true"),
            ("wal-dir", "/fast/wal"),
            ("grpc-keepalive-timeout", "0s"),
            ("grpc-keepalive-min-time", "7s"),
            ("max-wals", "0"),
            ("compaction-batch-limit", "7"),
            ("compaction-sleep-interval", "3ms"),
            ("initial-election-tick-advance", "false"),
            ("raft-read-timeout", "8s"),
            ("raft-write-timeout", "9s"),
        ])
        .unwrap();
        let engine = &config.engine;
        assert_eq!(engine.limits.quota_bytes, None);
        assert_eq!(engine.election_ticks, 30);
        assert_eq!(engine.limits.request_timeout, Duration::from_secs(11));
        assert_eq!(engine.limits.watch_progress_interval, PROGRESS_INTERVAL);
        assert!(!engine.wal.sync && !engine.store.sync);
        assert_eq!(engine.wal_parent.describe("x"), "/fast/x");
        assert_eq!(engine.wal_name, "wal");
        assert_eq!(engine.compaction_keys, 7);
        assert_eq!(engine.compaction_pause, Duration::from_millis(3));
        assert!(!engine.early_election);
        assert_eq!(config.rpc.message_bytes_max, 1000 + 512 * 1024);
        assert_eq!(config.rpc.keepalive, None);
        assert_eq!(config.rpc.ping_interval_min, Duration::from_secs(7));
        assert_eq!(config.peers.read_timeout, Duration::from_secs(8));
        assert_eq!(config.rpc.peer_write_timeout, Duration::from_secs(9));
    }

    #[test]
    fn refusals() {
        for (name, url, error) in [
            (
                "listen-client-urls",
                "https://127.0.0.1:1",
                "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme",
            ),
            (
                "listen-peer-urls",
                "https://127.0.0.1:2380",
                "cannot listen on TLS for 127.0.0.1:2380: KeyFile and CertFile are not presented",
            ),
            (
                "listen-client-http-urls",
                "http://localhost:2379",
                "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url http://localhost:2379",
            ),
            (
                "listen-metrics-urls",
                "http://127.0.0.1:99999",
                "URL address does not have the form \"host:port\": http://127.0.0.1:99999",
            ),
        ] {
            assert_eq!(config(&[(name, url)]).unwrap_err(), error);
        }
    }
}
