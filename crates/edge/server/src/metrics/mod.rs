//! `/metrics`: etcd's names for what exists here, in the Prometheus text format 0.0.4.
//!
//! Counters of the threads live in a registry; what can be read off the state is read off it when
//! somebody scrapes, and costs nothing in between.

mod exposition;
mod process;

use std::sync::Arc;

use prometheus::{Registry, TextEncoder};
use proto::limits::SERVER_VERSION;

use crate::engine::Engine;
use exposition::Exposition;

/// Quota when none is configured or the quota is off, as etcd reports it.
const QUOTA_DEFAULT: i64 = proto::limits::DEFAULT_QUOTA_BYTES;

/// What a scrape shows; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    calls: Arc<std::sync::OnceLock<Arc<rpc::Metrics>>>,
}

impl Metrics {
    /// Shows what is in `registry`, and the state.
    #[must_use]
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            calls: Arc::default(),
        }
    }

    /// Also shows the counters of calls, once the connection threads run.
    pub(crate) fn set_calls(&self, calls: Arc<rpc::Metrics>) {
        // Set once: the threads are started once.
        let _ = self.calls.set(calls);
    }

    /// The text of one scrape.
    #[must_use]
    pub(crate) fn render(&self, engine: &Engine) -> String {
        let mut out = Exposition::default();
        consensus(engine, &mut out);
        storage(engine, &mut out);
        process::render(&mut out);
        let mut text = out.into_text();
        // The encoder fails only on metrics without samples, of which the registry has none.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        if let Some(calls) = self.calls.get() {
            calls.render(&mut text);
        }
        text
    }
}

fn consensus(engine: &Engine, out: &mut Exposition) {
    let status = engine.status();
    let (leader, local) = (status.leader(), engine.member_id());
    out.gauge(
        "etcd_server_has_leader",
        "Whether or not a leader exists.",
        !leader.is_none(),
    );
    out.gauge(
        "etcd_server_is_leader",
        "Whether or not this member is a leader.",
        leader == local,
    );
    out.gauge(
        "etcd_server_is_learner",
        "Whether or not this member is a learner.",
        status.is_learner(),
    );
    out.counter(
        "etcd_server_leader_changes_seen_total",
        "The number of leader changes seen.",
        status.leader_changes(),
    );
    out.gauge(
        "etcd_server_proposals_committed_total",
        "The number of entries committed.",
        status.committed().0,
    );
    out.gauge(
        "etcd_server_proposals_applied_total",
        "The number of entries applied.",
        status.applied().0,
    );
    out.gauge(
        "etcd_server_proposals_pending",
        "The number of entries committed and not applied.",
        status.apply_gap(),
    );
    let quota = engine.limits().quota_bytes;
    let quota = quota.map_or(QUOTA_DEFAULT, |quota| {
        i64::try_from(quota).unwrap_or(i64::MAX)
    });
    out.gauge(
        "etcd_server_quota_backend_bytes",
        "Space quota in bytes.",
        quota,
    );
    out.labelled_gauge(
        "etcd_server_version",
        "Which version is running.",
        &[("server_version", SERVER_VERSION)],
        1,
    );
    out.labelled_gauge(
        "etcd_server_id",
        "The id of this member, in hex.",
        &[("server_id", &local.to_string())],
        1,
    );
    if let Some(version) = engine.membership().version() {
        let version = format!("{}.{}", version.major, version.minor);
        out.labelled_gauge(
            "etcd_cluster_version",
            "Which version the cluster is at.",
            &[("cluster_version", &version)],
            1,
        );
    }
    for member in engine.membership().members() {
        let labels = [
            ("Local", local.to_string()),
            ("Remote", member.id.to_string()),
        ];
        let labels = labels
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        out.labelled_gauge("etcd_network_known_peers", "The known members.", &labels, 1);
    }
}

fn storage(engine: &Engine, out: &mut Exposition) {
    let stats = engine.reader().stats();
    out.counter(
        "etcd_mvcc_range_total",
        "The number of ranges read.",
        stats.ranges,
    );
    out.counter("etcd_mvcc_put_total", "The number of puts.", stats.puts);
    out.counter(
        "etcd_mvcc_delete_total",
        "The number of deletes.",
        stats.deletes,
    );
    out.counter(
        "etcd_mvcc_txn_total",
        "The number of transactions of more than one operation.",
        stats.txns,
    );
    out.gauge(
        "etcd_mvcc_db_total_size_in_bytes",
        "The size of the store's files.",
        stats.total_bytes,
    );
    out.gauge(
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "The live part of the store's files.",
        stats.in_use_bytes,
    );
    out.gauge(
        "etcd_debugging_mvcc_keys_total",
        "The number of keys.",
        stats.keys,
    );
    out.gauge(
        "etcd_debugging_mvcc_total_put_size_in_bytes",
        "The bytes put since the start.",
        stats.put_bytes,
    );
    out.counter(
        "etcd_debugging_mvcc_db_compaction_keys_total",
        "The number of records that compactions have given up.",
        stats.compacted_records,
    );
    let revisions = engine.reader().revisions();
    out.gauge(
        "etcd_debugging_mvcc_current_revision",
        "The current revision.",
        revisions.current,
    );
    out.gauge(
        "etcd_debugging_mvcc_compact_revision",
        "The compacted revision.",
        revisions.compacted,
    );
    out.gauge(
        "etcd_disk_defrag_inflight",
        "Whether a defragmentation blocks this member: never.",
        0,
    );
}
