//! The engine on a real directory: what was acknowledged is there after a restart.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use apply::{Rejected, Response};
use bytes::Bytes;
use disk::{Dir as _, RealDir};
use mvcc::RangeQuery;
use prometheus::Registry;
use proto::etcdserverpb::{
    CompactionRequest, InternalRaftRequest, LeaseGrantRequest, LeaseRevokeRequest, PutRequest,
};
use server::engine::{self, CommitPolicy, Config, Handle, Limits, Meters, Running};
use tokio::runtime::{Builder, LocalOptions};
use types::{KeyRange, Record};

fn config(path: &std::path::Path) -> Config {
    let root = RealDir::new(path);
    let url = "http://localhost:2380".to_owned();
    Config {
        member_dir: root.sub("member"),
        wal_parent: root.sub("member"),
        wal_name: "wal".to_owned(),
        name: "default".to_owned(),
        initial_cluster: BTreeMap::from([("default".to_owned(), vec![url])]),
        initial_cluster_token: "etcd-cluster".to_owned(),
        join: None,
        client_urls: vec!["http://localhost:2379".to_owned()],
        wal: wal::Options {
            segment_bytes: 1 << 20,
            ..wal::Options::default()
        },
        store: store::Options::default(),
        mvcc: mvcc::Options::default(),
        membership: cluster::Options::default(),
        leases: lease::Options::for_election_timeout(Duration::from_secs(1)),
        limits: Limits {
            max_request_bytes: 1 << 20,
            max_txn_ops: 128,
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
        snapshot_count: 100,
        catch_up_entries: 100,
        max_wals: 5,
        credentials: server::credentials::CredentialsConfig::default(),
        force_new_cluster: false,
        corruption: server::membership::CorruptionChecks::default(),
        downgrade_check: Duration::from_secs(5),
        threads: 1,
    }
}

/// Runs `f` on an engine over `path`, and stops the engine in good order.
fn with_engine(path: &std::path::Path, f: impl AsyncFnOnce(Handle)) {
    let config = config(path);
    let meters = Arc::new(Meters::new(&Registry::new(), Duration::from_secs(1)).unwrap());
    let running: Running = engine::start(&config, meters).unwrap();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        running.keeper(&config, ready).start();
        while is_ready.try_recv().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        f(Handle::start(running.engine().clone(), 0)).await;
    });
    drop(runtime);
    running.stop();
}

fn put(key: &'static str, value: &'static str, lease: i64) -> InternalRaftRequest {
    let put = PutRequest {
        key: key.into(),
        value: value.into(),
        lease,
        ..PutRequest::default()
    };
    InternalRaftRequest {
        put: Some(put),
        ..InternalRaftRequest::default()
    }
}

fn read(handle: &Handle, key: &'static str) -> Option<Bytes> {
    let query = RangeQuery::of(KeyRange::Point(Bytes::from(key)));
    let found = handle.engine().reader().range(&query).unwrap();
    found
        .kvs
        .first()
        .map(|record| Record::decode(record).unwrap().value)
}

/// The promise of the whole: an acknowledged write is there after a restart, at its revision.
#[test]
fn writes_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    with_engine(dir.path(), async |handle| {
        for round in 0..300 {
            let applied = handle.propose(put("k", "old", 0)).await.unwrap();
            assert_eq!(applied.revision, 2 + round);
        }
        handle.propose(put("k", "new", 0)).await.unwrap();
        handle.linearizable().await.unwrap();
        assert_eq!(read(&handle, "k").as_deref(), Some(&b"new"[..]));
    });
    with_engine(dir.path(), async |handle| {
        assert_eq!(handle.engine().reader().revisions().current, 302);
        assert_eq!(read(&handle, "k").as_deref(), Some(&b"new"[..]));
        let members = handle.engine().membership();
        let names: Vec<_> = members
            .members()
            .map(|member| member.name.as_str())
            .collect();
        assert_eq!(names, ["default"]);
        assert_eq!(members.version().unwrap().to_string(), "3.7.0");
    });
}

/// Leases and their keys come back together, and go together.
#[test]
fn leases_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let revoke = |id| InternalRaftRequest {
        lease_revoke: Some(LeaseRevokeRequest { id }),
        ..InternalRaftRequest::default()
    };
    with_engine(dir.path(), async |handle| {
        let refused = handle.propose(put("k", "v", 7)).await.unwrap();
        assert_eq!(refused.result.unwrap_err(), Rejected::LeaseNotFound);
        let grant = InternalRaftRequest {
            lease_grant: Some(LeaseGrantRequest { ttl: 100, id: 7 }),
            ..InternalRaftRequest::default()
        };
        let granted = handle.propose(grant).await.unwrap().result.unwrap();
        assert!(matches!(granted, Response::LeaseGrant { ttl: 100, .. }));
        handle
            .propose(put("k", "v", 7))
            .await
            .unwrap()
            .result
            .unwrap();
    });
    with_engine(dir.path(), async |handle| {
        assert_eq!(
            handle
                .engine()
                .leases()
                .lock()
                .keys(types::LeaseId(7))
                .count(),
            1
        );
        let applied = handle.propose(revoke(7)).await.unwrap();
        assert_eq!(applied.revision, 3);
        assert_eq!(read(&handle, "k"), None);
        let again = handle.propose(revoke(7)).await.unwrap();
        assert_eq!(again.result.unwrap_err(), Rejected::LeaseNotFound);
    });
}

/// A compaction runs to its end beside everything else, and is remembered.
#[test]
fn compaction_finishes() {
    let dir = tempfile::tempdir().unwrap();
    let compact = |revision| InternalRaftRequest {
        compaction: Some(CompactionRequest {
            revision,
            physical: true,
        }),
        ..InternalRaftRequest::default()
    };
    with_engine(dir.path(), async |handle| {
        for _ in 0..50 {
            handle.propose(put("k", "v", 0)).await.unwrap();
        }
        handle.propose(compact(40)).await.unwrap().result.unwrap();
        handle.engine().compaction().finished(40).await;
        let again = handle.propose(compact(40)).await.unwrap();
        assert_eq!(again.result.unwrap_err(), Rejected::Compacted);
    });
    with_engine(dir.path(), async |handle| {
        assert_eq!(handle.engine().reader().revisions().compacted, 40);
        assert_eq!(read(&handle, "k").as_deref(), Some(&b"v"[..]));
    });
}

/// Two processes on one directory would destroy it.
#[test]
fn a_second_engine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    with_engine(dir.path(), async |_| {
        let meters = Arc::new(Meters::new(&Registry::new(), Duration::from_secs(1)).unwrap());
        let error = engine::start(&config(dir.path()), meters).unwrap_err();
        assert!(matches!(error, engine::StartError::Store(_)), "{error:?}");
    });
}
