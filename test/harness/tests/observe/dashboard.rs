//! What dashboards and alerts ask of etcd, asked of a cluster of ours by a real Prometheus.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use harness::{Cluster, free_port, tool};
use serde_json::Value;

use crate::client::{connect, get, page, put, until};

/// The queries of etcd's well-known dashboards and alerts.
const QUERIES: [&str; 37] = [
    "up == 1",
    "sum(etcd_server_has_leader)",
    "max(etcd_server_leader_changes_seen_total)",
    "changes(etcd_server_leader_changes_seen_total[1d])",
    "sum(rate(grpc_server_started_total{grpc_type=\"unary\"}[5m]))",
    "sum(rate(grpc_server_handled_total{grpc_type=\"unary\",grpc_code!=\"OK\"}[5m]))",
    "sum(grpc_server_started_total{grpc_service=\"etcdserverpb.Watch\",grpc_type=\"bidi_stream\"}) - sum(grpc_server_handled_total{grpc_service=\"etcdserverpb.Watch\",grpc_type=\"bidi_stream\"})",
    "sum(grpc_server_started_total{grpc_service=\"etcdserverpb.Lease\",grpc_type=\"bidi_stream\"}) - sum(grpc_server_handled_total{grpc_service=\"etcdserverpb.Lease\",grpc_type=\"bidi_stream\"})",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes / etcd_mvcc_db_total_size_in_bytes",
    "(etcd_mvcc_db_total_size_in_bytes / etcd_server_quota_backend_bytes) * 100",
    "predict_linear(etcd_mvcc_db_total_size_in_bytes[4h], 4*60*60)",
    "histogram_quantile(0.99, sum(rate(etcd_disk_wal_fsync_duration_seconds_bucket[5m])) by (instance, le))",
    "histogram_quantile(0.99, sum(rate(etcd_disk_backend_commit_duration_seconds_bucket[5m])) by (instance, le))",
    "histogram_quantile(0.99, sum by (instance, le) (rate(etcd_network_peer_round_trip_time_seconds_bucket[5m])))",
    "histogram_quantile(0.99, sum by (instance, grpc_method, le) (rate(grpc_server_handling_seconds_bucket{grpc_type=\"unary\"}[5m]))) > 0",
    "process_resident_memory_bytes",
    "rate(process_cpu_seconds_total[5m])",
    "process_open_fds / process_max_fds",
    "rate(etcd_network_client_grpc_received_bytes_total[5m])",
    "rate(etcd_network_client_grpc_sent_bytes_total[5m])",
    "sum(rate(etcd_network_peer_received_bytes_total[5m])) by (instance)",
    "sum(rate(etcd_network_peer_sent_bytes_total[5m])) by (instance)",
    "sum by (instance) (etcd_network_active_peers)",
    "sum(rate(etcd_server_proposals_failed_total[5m]))",
    "sum(etcd_server_proposals_pending)",
    "sum(rate(etcd_server_proposals_committed_total[5m]))",
    "sum(rate(etcd_server_proposals_applied_total[5m]))",
    "sum(rate(etcd_server_slow_apply_total[5m]))",
    "etcd_server_id",
    "etcd_server_version",
    "etcd_cluster_version",
    "etcd_debugging_mvcc_keys_total",
    "rate(etcd_mvcc_put_total[5m])",
    "rate(etcd_mvcc_range_total[5m])",
    "etcd_debugging_mvcc_watcher_total",
    "histogram_quantile(0.9, sum(rate(etcd_server_apply_duration_seconds_bucket[5m])) by (instance, le))",
];

/// Queries to which several members together answer, each for itself.
const OF_ALL: [&str; 3] = [
    "up == 1",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_server_id",
];

/// Debian's prometheus: the machine's own, or unpacked from its package.
fn prometheus() -> Result<PathBuf> {
    let installed = PathBuf::from("/usr/bin/prometheus");
    if installed.exists() {
        return Ok(installed);
    }
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prometheus");
    let unpacked = scratch.join("usr/bin/prometheus");
    if unpacked.exists() {
        return Ok(unpacked);
    }
    std::fs::create_dir_all(&scratch)?;
    if tool::run(&scratch, "apt-get", &["download", "prometheus"]).is_err() {
        // The lists of packages may be missing or old.
        tool::run(&scratch, "apt-get", &["update"])?;
        tool::run(&scratch, "apt-get", &["download", "prometheus"])?;
    }
    let is_package = |path: &PathBuf| path.extension().is_some_and(|end| end == "deb");
    let mut files = std::fs::read_dir(&scratch)?.filter_map(|entry| Some(entry.ok()?.path()));
    let package = files.find(is_package);
    let package = package.context("apt-get download left no package")?;
    let package = package.to_str().context("the package's path")?;
    tool::run(&scratch, "dpkg", &["-x", package, "."])?;
    ensure!(unpacked.exists(), "there is no prometheus in {package}");
    Ok(unpacked)
}

struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    fn start(dir: &Path, targets: &[String]) -> Result<Self> {
        let port = free_port()?;
        let targets = targets.join("','");
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: etcd\n  static_configs: [{{targets: ['{targets}']}}]\n"
        );
        let path = dir.join("prometheus.yml");
        std::fs::write(&path, config)?;
        let log = File::create(dir.join("prometheus.log"))?;
        let child = Command::new(prometheus()?)
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { child, port })
    }

    /// The values of a query that are numbers.
    async fn ask(&self, query: &str) -> Result<Vec<f64>> {
        let encode = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        let query: String = query.bytes().map(encode).collect();
        let path = format!("/api/v1/query?query={query}");
        let Ok((status, body)) = page(self.port, &path).await else {
            return Ok(Vec::new());
        };
        if status == 503 {
            return Ok(Vec::new());
        }
        let answer: Value = serde_json::from_slice(&body)?;
        if answer["status"] != "success" {
            bail!("{answer}");
        }
        let series = answer["data"]["result"].as_array().context("no result")?;
        let value = |one: &Value| one["value"][1].as_str()?.parse::<f64>().ok();
        let values = series.iter().filter_map(value);
        Ok(values.filter(|value| value.is_finite()).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A dashboard with a hole in it hides what went wrong.
#[tokio::test]
async fn the_dashboards_queries_have_answers() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start(dir.path(), 3, &["--metrics=extensive"])?;
    let targets: Vec<String> = cluster
        .endpoints()
        .iter()
        .map(|endpoint| endpoint.trim_start_matches("http://").to_owned())
        .collect();
    let prometheus = Prometheus::start(dir.path(), &targets)?;
    let mut clients = Vec::new();
    for endpoint in cluster.endpoints() {
        clients.push(connect(&endpoint).await?);
    }
    let mut open: Vec<&str> = QUERIES.to_vec();
    let waited = until("an answer", async || {
        for client in &clients {
            client.put(put("key", "value")).await?;
            client.range(get("key")).await?;
        }
        let mut still = Vec::new();
        for query in &open {
            let wanted = if OF_ALL.contains(query) {
                clients.len()
            } else {
                1
            };
            if prometheus.ask(query).await?.len() < wanted {
                still.push(*query);
            }
        }
        open = still;
        Ok(open.is_empty())
    });
    let waited = waited.await;
    ensure!(open.is_empty(), "no data for {open:#?} ({waited:?})");
    Ok(())
}
