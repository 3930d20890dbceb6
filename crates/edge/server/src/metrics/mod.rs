//! `/metrics`: etcd's names for what exists here, in the Prometheus text format 0.0.4.
//!
//! Counters of the threads live in a registry; what can be read off the state is read off it when
//! somebody scrapes, and costs nothing in between.

mod disk;
mod exposition;
mod health;
mod process;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use prometheus::{IntCounterVec, Opts, Registry, TextEncoder};
use proto::etcdserverpb::AlarmType;
use proto::limits::SERVER_VERSION;
use types::MemberId;

use crate::engine::Engine;
use crate::member::Feature;
use crate::services::{Lag, Lags, Observers, Row};
use disk::Disk;
use exposition::Exposition;
pub(crate) use health::HealthMeters;

/// Quota when none is configured or the quota is off, as etcd reports it.
const QUOTA_DEFAULT: i64 = proto::limits::DEFAULT_QUOTA_BYTES;

/// What a scrape shows; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    health: HealthMeters,
    scrapes: IntCounterVec,
    features: Arc<[Feature]>,
    calls: Arc<OnceLock<Arc<rpc::Metrics>>>,
    observers: Arc<OnceLock<Arc<Observers>>>,
    lags: Arc<Lags>,
    disk: Arc<Disk>,
}

impl Metrics {
    /// Shows what is in `registry`, the features, and the state.
    ///
    /// # Errors
    /// When a name is registered already.
    pub(crate) fn new(
        registry: Registry,
        features: &[Feature],
        directory: PathBuf,
    ) -> prometheus::Result<Self> {
        let health = HealthMeters::new(&registry)?;
        let scrapes = Opts::new(
            "promhttp_metric_handler_requests_total",
            "Total number of scrapes by HTTP status code.",
        );
        let scrapes = IntCounterVec::new(scrapes, &["code"])?;
        for code in ["200", "500", "503"] {
            scrapes.with_label_values(&[code]);
        }
        registry.register(Box::new(scrapes.clone()))?;
        Ok(Self {
            registry,
            health,
            scrapes,
            features: features.into(),
            calls: Arc::default(),
            observers: Arc::default(),
            lags: Arc::default(),
            disk: Arc::new(Disk::new(directory)),
        })
    }

    /// The counts of health checks.
    #[must_use]
    pub(crate) fn health(&self) -> &HealthMeters {
        &self.health
    }

    /// Also shows the counters of calls, once the connection threads run.
    pub(crate) fn set_calls(&self, calls: Arc<rpc::Metrics>) {
        // Set once: the threads are started once.
        let _ = self.calls.set(calls);
    }

    /// Also shows what becomes of lines of the audit log and of traces, where there are any.
    pub(crate) fn set_observers(&self, observers: Arc<Observers>) {
        // Set once, as well.
        let _ = self.observers.set(observers);
    }

    /// Where streams tell how far they are behind.
    #[must_use]
    pub(crate) fn lags(&self) -> Arc<Lags> {
        Arc::clone(&self.lags)
    }

    /// The text of one scrape.
    #[must_use]
    pub(crate) fn render(&self, engine: &Engine) -> String {
        let mut out = Exposition::default();
        consensus(engine, &mut out);
        storage(engine, &mut out);
        process::render(&mut out);
        for feature in &*self.features {
            out.labelled_gauge(
                "etcd_server_feature_enabled",
                "Whether or not a feature is enabled.",
                &[("name", feature.name), ("stage", feature.stage)],
                feature.enabled,
            );
        }
        let limits = engine.limits();
        let used = engine.reader().stats().total_bytes;
        let room = limits.quota_bytes.map(|quota| quota.saturating_sub(used));
        self.disk.render(room, &mut out);
        let current = engine.reader().revisions().current;
        lags(&self.lags.furthest(current), &mut out);
        if let Some(observers) = self.observers.get() {
            observed(observers, &mut out);
        }
        // This one: scrapes of a thread come one after another.
        out.gauge(
            "promhttp_metric_handler_requests_in_flight",
            "Current number of scrapes being served.",
            1,
        );
        let mut text = out.into_text();
        engine.meters().render_durations(&mut text);
        // The encoder fails only on metrics without samples, of which the registry has none.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        if let Some(calls) = self.calls.get() {
            calls.render(&mut text);
        }
        self.scrapes.with_label_values(&["200"]).inc();
        text
    }
}

/// What became of what observers took.
fn observed(observers: &Observers, out: &mut Exposition) {
    if let Some(audit) = &observers.audit {
        let (taken, lost) = audit.counts();
        let help = "Requests that the audit log took.";
        out.counter("magnetite_audit_lines_total", help, taken);
        let help = "Requests that are missing in the audit log.";
        out.counter("magnetite_audit_lost_total", help, lost);
    }
    if let Some(usage) = &observers.usage {
        self::usage(&usage.rows(), out);
    }
    if let Some(tracer) = &observers.tracer {
        let (sent, lost) = tracer.counts();
        let help = "Spans that the collector of traces took.";
        out.counter("magnetite_traces_sent_total", help, sent);
        let help = "Spans that were dropped.";
        out.counter("magnetite_traces_lost_total", help, lost);
    }
}

/// The streams that are furthest behind.
fn lags(lags: &[Lag], out: &mut Exposition) {
    for lag in lags {
        let (stream, watch_id) = (lag.stream.to_string(), lag.watch_id.to_string());
        out.labelled_gauge(
            "magnetite_watch_lag_revisions",
            "Revisions that the slowest watcher of a stream is behind, of the streams that are furthest.",
            &[
                ("client", &lag.client),
                ("stream", &stream),
                ("watch_id", &watch_id),
            ],
            lag.by,
        );
    }
}

/// A figure of a row.
type Figure = fn(&Row) -> f64;

/// Who used what.
fn usage(rows: &[Row], out: &mut Exposition) {
    let figures: [(&str, &str, Figure); 4] = [
        (
            "magnetite_usage_requests_total",
            "Requests, by who made them.",
            |row| row.2.requests as f64,
        ),
        (
            "magnetite_usage_received_bytes_total",
            "Bytes of requests.",
            |row| row.2.received as f64,
        ),
        (
            "magnetite_usage_sent_bytes_total",
            "Bytes of answers.",
            |row| row.2.sent as f64,
        ),
        (
            "magnetite_usage_handler_seconds_total",
            "Time of the connection threads that answering took.",
            |row| row.2.busy.as_secs_f64(),
        ),
    ];
    for (name, help, figure) in figures {
        for row in rows {
            out.labelled_counter(name, help, &[("by", row.0), ("name", &row.1)], figure(row));
        }
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
    out.labelled_gauge(
        "etcd_server_go_version",
        "Which Go version server is running with: none.",
        &[("server_go_version", "none")],
        1,
    );
    out.gauge(
        "etcd_debugging_auth_revision",
        "The current revision of auth store.",
        engine.auth().revision(),
    );
    for alarm in engine.alarms().list() {
        let kind = AlarmType::try_from(alarm.alarm).unwrap_or_default();
        let labels = [
            ("server_id", MemberId(alarm.member_id).to_string()),
            ("alarm_type", kind.as_str_name().to_owned()),
        ];
        let labels = labels
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        out.labelled_gauge(
            "etcd_debugging_server_alarms",
            "The active alarms.",
            &labels,
            1,
        );
    }
    if let Some(version) = engine.membership().version() {
        let version = format!("{}.{}", version.major, version.minor);
        out.labelled_gauge(
            "etcd_cluster_version",
            "Which version the cluster is at.",
            &[("cluster_version", &version)],
            1,
        );
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
