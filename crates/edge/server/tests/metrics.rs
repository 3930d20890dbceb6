//! Every metric of etcd 3.7 is there after a little of everything, or is left out for a reason.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::collections::BTreeMap;

use proto::etcdserverpb::{
    CompactionRequest, HashKvRequest, HashRequest, LeaseGrantRequest, LeaseRevokeRequest,
    RangeRequest, TxnRequest, WatchCreateRequest,
};
use support::{Member, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const C: &str = "counter";
const G: &str = "gauge";
const H: &str = "histogram";

/// Names and types of a member without peers.
const PRESENT: &[(&str, &str)] = &[
    ("etcd_server_has_leader", G),
    ("etcd_server_is_leader", G),
    ("etcd_server_is_learner", G),
    ("etcd_server_leader_changes_seen_total", C),
    ("etcd_server_slow_apply_total", C),
    ("etcd_server_apply_duration_seconds", H),
    ("etcd_server_range_duration_seconds", H),
    ("etcd_server_request_duration_seconds", H),
    ("etcd_server_proposals_committed_total", G),
    ("etcd_server_proposals_applied_total", G),
    ("etcd_server_proposals_pending", G),
    ("etcd_server_proposals_failed_total", C),
    ("etcd_server_read_indexes_failed_total", C),
    ("etcd_server_slow_read_indexes_total", C),
    ("etcd_server_learner_promote_successes", C),
    ("etcd_server_heartbeat_send_failures_total", C),
    ("etcd_server_snapshot_apply_in_progress_total", G),
    ("etcd_server_quota_backend_bytes", G),
    ("etcd_server_health_success", C),
    ("etcd_server_health_failures", C),
    ("etcd_server_healthcheck", G),
    ("etcd_server_healthchecks_total", C),
    ("etcd_server_client_requests_total", C),
    ("etcd_server_version", G),
    ("etcd_server_go_version", G),
    ("etcd_server_id", G),
    ("etcd_server_feature_enabled", G),
    ("etcd_cluster_version", G),
    ("etcd_debugging_server_lease_expired_total", C),
    ("etcd_debugging_server_alarms", G),
    ("etcd_debugging_auth_revision", G),
    (
        "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds",
        H,
    ),
    (
        "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds",
        H,
    ),
    (
        "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds",
        H,
    ),
    (
        "etcd_debugging_server_watch_send_loop_progress_duration_seconds",
        H,
    ),
    ("etcd_mvcc_range_total", C),
    ("etcd_mvcc_put_total", C),
    ("etcd_mvcc_delete_total", C),
    ("etcd_mvcc_txn_total", C),
    ("etcd_mvcc_db_total_size_in_bytes", G),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", G),
    ("etcd_mvcc_hash_duration_seconds", H),
    ("etcd_mvcc_hash_rev_duration_seconds", H),
    ("etcd_debugging_mvcc_keys_total", G),
    ("etcd_debugging_mvcc_watch_stream_total", G),
    ("etcd_debugging_mvcc_watcher_total", G),
    ("etcd_debugging_mvcc_slow_watcher_total", G),
    ("etcd_debugging_mvcc_events_total", C),
    ("etcd_debugging_mvcc_pending_events_total", G),
    (
        "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
        H,
    ),
    (
        "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
        H,
    ),
    ("etcd_debugging_mvcc_db_compaction_last", G),
    ("etcd_debugging_mvcc_db_compaction_keys_total", C),
    ("etcd_debugging_mvcc_current_revision", G),
    ("etcd_debugging_mvcc_compact_revision", G),
    ("etcd_debugging_mvcc_total_put_size_in_bytes", G),
    ("etcd_disk_backend_commit_duration_seconds", H),
    ("etcd_disk_backend_snapshot_duration_seconds", H),
    ("etcd_disk_defrag_inflight", G),
    ("etcd_disk_wal_fsync_duration_seconds", H),
    ("etcd_disk_wal_write_duration_seconds", H),
    ("etcd_disk_wal_write_bytes_total", G),
    ("etcd_debugging_lease_granted_total", C),
    ("etcd_debugging_lease_revoked_total", C),
    ("etcd_debugging_lease_renewed_total", C),
    ("etcd_debugging_lease_ttl_total", H),
    ("etcd_network_client_grpc_sent_bytes_total", C),
    ("etcd_network_client_grpc_received_bytes_total", C),
    ("etcd_network_known_peers", G),
    ("grpc_server_started_total", C),
    ("grpc_server_msg_received_total", C),
    ("grpc_server_msg_sent_total", C),
    ("grpc_server_handled_total", C),
    ("grpc_server_handling_seconds", H),
    ("os_fd_used", G),
    ("os_fd_limit", G),
    ("process_cpu_seconds_total", C),
    ("process_open_fds", G),
    ("process_max_fds", G),
    ("process_resident_memory_bytes", G),
    ("process_virtual_memory_bytes", G),
    ("process_virtual_memory_max_bytes", G),
    ("process_start_time_seconds", G),
    ("process_network_receive_bytes_total", C),
    ("process_network_transmit_bytes_total", C),
    ("promhttp_metric_handler_requests_total", C),
    ("promhttp_metric_handler_requests_in_flight", G),
];

/// Names of etcd that are left out, with the reason. What only a cluster has is tested there.
const ABSENT: &[(&str, &str)] = &[
    (
        "etcd_server_learner_promote_failures",
        "there when one has failed",
    ),
    ("etcd_mvcc_db_open_read_transactions", "reads open none"),
    (
        "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
        "the index is compacted with the records",
    ),
    (
        "etcd_debugging_disk_backend_commit_rebalance_duration_seconds",
        "there is no tree",
    ),
    (
        "etcd_debugging_disk_backend_commit_spill_duration_seconds",
        "there is no tree",
    ),
    (
        "etcd_debugging_disk_backend_commit_write_duration_seconds",
        "the whole commit is a write",
    ),
    (
        "etcd_disk_backend_defrag_duration_seconds",
        "it runs behind the requests",
    ),
    (
        "etcd_snap_fsync_duration_seconds",
        "no such file is written",
    ),
    (
        "etcd_debugging_snap_save_total_duration_seconds",
        "no such file is written",
    ),
    (
        "etcd_debugging_snap_save_marshalling_duration_seconds",
        "no such file is written",
    ),
    ("etcd_debugging_store_expires_total", "there is no v2 store"),
    (
        "etcd_debugging_store_watch_requests_total",
        "there is no v2 store",
    ),
    ("etcd_debugging_store_watchers", "there is no v2 store"),
    ("etcd_grpc_proxy_cache_hits_total", "a server is no proxy"),
    ("etcd_grpc_proxy_cache_keys_total", "a server is no proxy"),
    ("etcd_grpc_proxy_cache_misses_total", "a server is no proxy"),
    (
        "etcd_grpc_proxy_watchers_coalescing_total",
        "a server is no proxy",
    ),
    (
        "etcd_grpc_proxy_events_coalescing_total",
        "a server is no proxy",
    ),
    ("go_goroutines", "there is no Go runtime"),
];

async fn fetch(member: &Member, path: &str) -> String {
    let address = member.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A little of everything.
async fn exercise(member: &Member) {
    let client = &member.client;
    let grant = LeaseGrantRequest { ttl: 60, id: 5 };
    client.lease_grant(grant).await.unwrap();
    client.keep_alive_once(5).await.unwrap();
    client
        .lease_revoke(LeaseRevokeRequest { id: 5 })
        .await
        .unwrap();
    let mut watch = client
        .watcher(false)
        .watch(WatchCreateRequest {
            key: "k".into(),
            ..WatchCreateRequest::default()
        })
        .await;
    member.put("k", "1").await;
    watch.next().await.unwrap().unwrap();
    member.put("k", "2").await;
    client.range(get("k")).await.unwrap();
    let mut stream = client
        .range_stream(RangeRequest { ..get("k") })
        .await
        .unwrap();
    while stream.next().await.unwrap().is_some() {}
    client.txn(TxnRequest::default()).await.unwrap();
    client.hash(HashRequest {}).await.unwrap();
    client.hash_kv(HashKvRequest { revision: 0 }).await.unwrap();
    let compact = CompactionRequest {
        revision: 3,
        physical: true,
    };
    client.compact(compact).await.unwrap();
    let mut snapshot = client.snapshot().await.unwrap();
    while snapshot.next().await.unwrap().is_some() {}
    let mut alarm = proto::etcdserverpb::AlarmRequest::default();
    alarm.set_action(proto::etcdserverpb::alarm_request::AlarmAction::Activate);
    alarm.set_alarm(proto::etcdserverpb::AlarmType::Nospace);
    alarm.member_id = 0xab;
    client.alarm(alarm).await.unwrap();
    for path in ["/health", "/readyz", "/livez", "/metrics"] {
        fetch(member, path).await;
    }
}

/// What dashboards and alerts ask for by name.
#[tokio::test]
async fn all_names() {
    let member = Member::with(|config| {
        config.rpc.timing.extensive = true;
        config.features = vec![server::Feature {
            name: "CompactHashCheck",
            stage: "ALPHA",
            enabled: false,
        }];
    })
    .await;
    exercise(&member).await;
    let text = fetch(&member, "/metrics").await;
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert_eq!(types.insert(name, kind), None, "{name} has two heads");
        }
    }
    for (name, kind) in PRESENT {
        assert_eq!(types.get(name), Some(kind), "{name}");
        let has_sample = text.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
        });
        assert!(has_sample, "{name} has no sample");
    }
    for (name, reason) in ABSENT {
        let is_there = types.contains_key(name) && *reason != "clusters";
        assert!(!is_there, "{name} is there, although {reason}");
    }
    for name in types.keys() {
        // What only clusters have may begin to show here.
        let is_of_peers = name.starts_with("etcd_network_");
        let is_ours = name.starts_with("magnetite_");
        let is_listed = ABSENT.iter().any(|(known, _)| known == name);
        let is_known =
            is_listed || is_ours || is_of_peers || PRESENT.iter().any(|(known, _)| known == name);
        assert!(is_known, "{name} is in no table");
    }
    samples(&text);
}

/// Labels as etcd has them, and counts that add up.
fn samples(text: &str) {
    for line in [
        r#"etcd_server_request_duration_seconds_count{type="Put",success="true"} 2"#,
        r#"etcd_server_request_duration_seconds_count{type="ReadonlyTxn",success="true"} 1"#,
        r#"etcd_server_request_duration_seconds_count{type="LeaseGrant",success="true"} 1"#,
        r#"etcd_server_apply_duration_seconds_count{op="Compaction",version="v3",success="true"} 1"#,
        r#"etcd_server_range_duration_seconds_count{success="true"} 2"#,
        r#"etcd_server_healthcheck{name="data_corruption",type="readyz"} 1"#,
        r#"etcd_server_healthchecks_total{name="serializable_read",status="success",type="livez"} 1"#,
        r#"etcd_server_feature_enabled{name="CompactHashCheck",stage="ALPHA"} 0"#,
        r#"etcd_debugging_server_alarms{server_id="ab",alarm_type="NOSPACE"} 1"#,
        "etcd_server_health_failures 1",
        "etcd_server_health_success 0",
        "etcd_debugging_lease_granted_total 1",
        "etcd_debugging_lease_renewed_total 1",
        "etcd_debugging_lease_revoked_total 1",
        r#"etcd_debugging_lease_ttl_total_bucket{le="64"} 1"#,
        "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_count 1",
        "etcd_mvcc_hash_rev_duration_seconds_count 1",
        "etcd_disk_backend_snapshot_duration_seconds_count 1",
        r#"promhttp_metric_handler_requests_total{code="200"} 1"#,
        "promhttp_metric_handler_requests_in_flight 1",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    let times = r#"grpc_server_handling_seconds_count{grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} 2"#;
    assert!(text.lines().any(|have| have == times), "{text}");
}

/// Times of calls are measured only where they are asked for.
#[tokio::test]
async fn basic() {
    let member = Member::start().await;
    member.put("k", "1").await;
    let text = fetch(&member, "/metrics").await;
    assert!(!text.contains("grpc_server_handling_seconds"));
    assert!(text.contains("etcd_server_request_duration_seconds"));
}
