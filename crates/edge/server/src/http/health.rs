//! `/health`, `/livez` and `/readyz`: may this member be sent requests?

use bytes::Bytes;
use http::StatusCode;
use mvcc::RangeQuery;
use proto::etcdserverpb::AlarmType;
use rpc::{HttpResponse, replies};
use types::KeyRange;

use crate::engine::Handle;
use crate::metrics::HealthMeters;

/// The checks of `/readyz`; the second alone is that of `/livez`.
const READY: [&str; 4] = [
    "data_corruption",
    "serializable_read",
    "linearizable_read",
    "non_learner",
];
const LIVE: [&str; 1] = ["serializable_read"];

/// Whether the path is answered here.
pub(super) fn is_check(path: &str) -> bool {
    let root = path.trim_start_matches('/').split('/').next();
    path == "/health" || matches!(root, Some("livez" | "readyz"))
}

/// Answers a health request.
pub(super) async fn answer(
    handle: &Handle,
    meters: &HealthMeters,
    path: &str,
    query: &[(String, String)],
) -> HttpResponse {
    let kind = |kind| Kind { kind, meters };
    match path.split('/').collect::<Vec<_>>()[..] {
        ["", "health"] => health(handle, meters, query).await,
        ["", "livez"] => checks(handle, kind("livez"), &LIVE, query).await,
        ["", "readyz"] => checks(handle, kind("readyz"), &READY, query).await,
        ["", "livez", check] if LIVE.contains(&check) => {
            report(handle, kind("livez"), &[check], query).await
        }
        ["", "readyz", check] if READY.contains(&check) => {
            report(handle, kind("readyz"), &[check], query).await
        }
        _ => replies::not_found(),
    }
}

/// What is asked for, and where the answers are counted.
#[derive(Clone, Copy)]
struct Kind<'a> {
    kind: &'static str,
    meters: &'a HealthMeters,
}

async fn health(
    handle: &Handle,
    meters: &HealthMeters,
    query: &[(String, String)],
) -> HttpResponse {
    let reason = unhealthy(handle, query).await;
    meters.asked(reason.is_none());
    match reason {
        None => replies::plain(
            StatusCode::OK,
            Bytes::from_static(br#"{"health":"true","reason":""}"#),
        ),
        Some(reason) => {
            let body = format!(
                "{{\"health\":\"false\",\"reason\":{}}}\n",
                serde_json::Value::from(reason)
            );
            replies::nosniff(StatusCode::SERVICE_UNAVAILABLE, body.into())
        }
    }
}

/// The first reason why this member is not healthy.
async fn unhealthy(handle: &Handle, query: &[(String, String)]) -> Option<String> {
    let engine = handle.engine();
    let has = |name: &str, value: &str| query.iter().any(|(n, v)| n == name && v == value);
    for alarm in engine.alarms().list() {
        let name = match AlarmType::try_from(alarm.alarm) {
            Ok(AlarmType::Nospace) => "NOSPACE",
            Ok(AlarmType::Corrupt) => "CORRUPT",
            _ => "UNKNOWN",
        };
        if !has("exclude", name) {
            tracing::warn!(alarm = name, "serving /health false due to an alarm");
            return Some(format!("ALARM {name}"));
        }
    }
    let serializable = has("serializable", "true");
    if !serializable && engine.status().leader().is_none() {
        tracing::warn!("serving /health false; no leader");
        return Some("RAFT NO LEADER".to_owned());
    }
    let error = read(handle, !serializable).await.err()?;
    tracing::warn!(error, "serving /health false; Range fails");
    Some(format!("RANGE ERROR:{error}"))
}

async fn checks(
    handle: &Handle,
    kind: Kind<'_>,
    all: &[&str],
    query: &[(String, String)],
) -> HttpResponse {
    let excluded = |check: &str| {
        query
            .iter()
            .any(|(name, value)| name == "exclude" && value == check)
    };
    let wanted: Vec<&str> = all
        .iter()
        .copied()
        .filter(|check| !excluded(check))
        .collect();
    report(handle, kind, &wanted, query).await
}

async fn report(
    handle: &Handle,
    kind: Kind<'_>,
    checks: &[&str],
    query: &[(String, String)],
) -> HttpResponse {
    let verbose = query.iter().any(|(name, _)| name == "verbose");
    let (mut lines, mut failed) = (String::new(), false);
    for check in checks {
        let result = run(handle, check).await;
        kind.meters.checked(kind.kind, check, result.is_ok());
        match result {
            Ok(()) => lines.push_str(&format!("[+]{check} ok\n")),
            Err(reason) => {
                failed = true;
                lines.push_str(&format!("[-]{check} failed: {reason}\n"));
            }
        }
    }
    if failed {
        lines.push('\n');
        return replies::nosniff(StatusCode::SERVICE_UNAVAILABLE, lines.into());
    }
    let body = if verbose {
        lines + "ok\n"
    } else {
        "ok\n".to_owned()
    };
    replies::nosniff(StatusCode::OK, body.into())
}

async fn run(handle: &Handle, check: &str) -> Result<(), String> {
    let engine = handle.engine();
    match check {
        "data_corruption" if engine.alarms().is_active(AlarmType::Corrupt) => {
            Err("alarm activated: CORRUPT".to_owned())
        }
        "non_learner" if engine.status().is_learner() => {
            Err("not supported for learner".to_owned())
        }
        "serializable_read" => read(handle, false).await,
        "linearizable_read" => read(handle, true).await,
        _ => Ok(()),
    }
}

async fn read(handle: &Handle, linearizable: bool) -> Result<(), String> {
    if linearizable {
        handle
            .linearizable()
            .await
            .map_err(|error| error.to_string())?;
    }
    let first = RangeQuery {
        limit: 1,
        keys_only: true,
        ..RangeQuery::of(KeyRange::All)
    };
    handle
        .engine()
        .reader()
        .range(&first)
        .map(drop)
        .map_err(|error| error.to_string())
}
