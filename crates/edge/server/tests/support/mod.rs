//! A member on a directory of its own, and a client for it.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod http;
pub(crate) mod raw;

use std::collections::BTreeMap;
use std::time::Duration;

use client::Client;
use disk::{Dir as _, RealDir};
use proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use rpc::{AccessControl, SocketOptions};
use server::engine::{self, CommitPolicy, Limits};
use server::{Server, ServerConfig};
use tempfile::TempDir;

pub(crate) struct Member {
    pub(crate) directory: TempDir,
    server: Option<Server>,
    pub(crate) url: String,
    /// All URLs for clients; the first one is `url`.
    pub(crate) urls: Vec<String>,
    pub(crate) client: Client,
}

fn engine_config(path: &std::path::Path) -> engine::Config {
    let root = RealDir::new(path);
    let url = "http://localhost:2380".to_owned();
    engine::Config {
        member_dir: root.sub("member"),
        wal_parent: root.sub("member"),
        wal_name: "wal".to_owned(),
        name: "default".to_owned(),
        initial_cluster: BTreeMap::from([("default".to_owned(), vec![url])]),
        initial_cluster_token: "etcd-cluster".to_owned(),
        join: None,
        client_urls: vec!["http://localhost:2379".to_owned()],
        wal: wal::Options {
            segment_bytes: 1 << 22,
            ..wal::Options::default()
        },
        store: store::Options::default(),
        mvcc: mvcc::Options::default(),
        membership: cluster::Options::default(),
        leases: lease::Options::for_election_timeout(Duration::from_secs(1)),
        limits: Limits {
            max_request_bytes: proto::limits::MAX_REQUEST_BYTES,
            max_txn_ops: proto::limits::MAX_TXN_OPS,
            quota_bytes: None,
            request_timeout: Duration::from_secs(7),
            election_timeout: Duration::from_secs(1),
            watch_progress_interval: Duration::from_secs(600),
            strict_reconfig: true,
        },
        commit: CommitPolicy {
            interval: Duration::from_millis(20),
            ops: 10_000,
        },
        compaction: None,
        compaction_pause: Duration::from_millis(1),
        compaction_keys: 1000,
        early_election: true,
        heartbeat: Duration::from_millis(100),
        election_ticks: 10,
        pre_vote: true,
        snapshot_count: 10_000,
        catch_up_entries: 5_000,
        max_wals: 5,
        credentials: server::credentials::CredentialsConfig {
            // As little as there can be: tests log in often.
            bcrypt_cost: 4,
            ..Default::default()
        },
        force_new_cluster: false,
        corruption: server::membership::CorruptionChecks::default(),
        downgrade_check: Duration::from_secs(5),
        threads: 2,
    }
}

fn server_config(path: &std::path::Path) -> ServerConfig {
    ServerConfig {
        engine: engine_config(path),
        rpc: rpc::Config {
            threads: 2,
            connections_max: 100,
            message_bytes_max: proto::limits::MAX_REQUEST_BYTES
                + proto::limits::GRPC_OVERHEAD_BYTES,
            max_concurrent_streams: u32::MAX,
            keepalive: None,
            ping_interval_min: Duration::from_secs(5),
            peer_write_timeout: Duration::from_secs(5),
            access: AccessControl::default(),
            timing: rpc::Timing::default(),
        },
        sockets: SocketOptions::default(),
        peer: Vec::new(),
        peers: server::PeerConfig::default(),
        client: vec!["http://127.0.0.1:0".parse().unwrap()],
        client_http: Vec::new(),
        metrics: Vec::new(),
        gateway: true,
        tls: server::ListenerTls::default(),
        features: Vec::new(),
        profiles: false,
        usage: server::UsageConfig::default(),
        audit: None,
        traces: None,
        warning_apply: Duration::from_secs(1),
    }
}

impl Member {
    /// A fresh member with the default limits.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A fresh member with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        Self::on(tempfile::tempdir().unwrap(), change).await
    }

    /// Stops the member; its files stay.
    pub(crate) fn stop(mut self) -> TempDir {
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }

    /// A member on a directory that may have been used before.
    pub(crate) async fn on(directory: TempDir, change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = server_config(directory.path());
        change(&mut config);
        let mut server = Server::start(&config).unwrap();
        let urls: Vec<String> = server
            .client_urls()
            .iter()
            .map(|(url, _)| url.to_string())
            .collect();
        let url = urls[0].clone();
        assert!(server.wait_ready());
        server.serve_clients();
        let endpoints = vec![url.clone()];
        let config = client::Config {
            endpoints,
            send_bytes_max: 8 << 20,
            ..client::Config::default()
        };
        let client = Client::connect(config).await.unwrap();
        Self {
            directory,
            server: Some(server),
            url,
            urls,
            client,
        }
    }

    pub(crate) async fn put(&self, key: &str, value: &str) -> PutResponse {
        self.client.put(put(key, value)).await.unwrap()
    }

    pub(crate) async fn range(&self, request: RangeRequest) -> RangeResponse {
        self.client.range(request).await.unwrap()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
    }
}

pub(crate) fn put(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    }
}

pub(crate) fn get(key: &str) -> RangeRequest {
    RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    }
}

pub(crate) fn prefix(key: &str, end: &str) -> RangeRequest {
    RangeRequest {
        range_end: end.to_owned().into(),
        ..get(key)
    }
}
