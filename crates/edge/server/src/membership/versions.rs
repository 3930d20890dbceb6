//! The leader's watch over versions: it decides the cluster's, and when a downgrade is over.

use std::time::{Duration, Instant};

use cluster::{Member, Version, Versions};
use proto::etcdserverpb::InternalRaftRequest;
use proto::membershippb::{ClusterVersionSetRequest, DowngradeInfoSetRequest};
use types::Term;

use super::answers;
use super::ask::{Question, ask_any};
use crate::engine::Handle;

/// How often the leader asks for versions.
const INTERVAL: Duration = Duration::from_secs(4);
/// How often is looked whether this member has come to lead.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a member may take to say its version.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Decides versions for as long as this member leads, and again whenever it comes to lead.
pub(crate) async fn watch(handle: Handle, downgrade_check: Duration) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last: Option<Round> = None;
    loop {
        looks.tick().await;
        let term = handle.engine().status().term();
        if !handle.engine().is_leader() {
            last = None;
            continue;
        }
        let round = last.filter(|round| round.term == term);
        let is_due = |at: fn(&Round) -> Instant, interval| {
            round.is_none_or(|round| at(&round).elapsed() >= interval)
        };
        let decides = is_due(|round| round.decided, INTERVAL);
        let checks = is_due(|round| round.checked, downgrade_check);
        if !decides && !checks {
            continue;
        }
        let versions = versions(&handle).await;
        let mut next = round.unwrap_or_else(|| Round::begin(term));
        if decides {
            decide(&handle, &versions).await;
            next.decided = Instant::now();
        }
        if checks {
            end_downgrade(&handle, &versions).await;
            next.checked = Instant::now();
        }
        last = Some(next);
    }
}

/// When the leader of a term did what last.
#[derive(Clone, Copy, Debug)]
struct Round {
    term: Term,
    decided: Instant,
    checked: Instant,
}

impl Round {
    fn begin(term: Term) -> Self {
        let now = Instant::now();
        Self {
            term,
            decided: now,
            checked: now,
        }
    }
}

/// What all members say of themselves, asked at once.
async fn versions(handle: &Handle) -> Versions {
    let membership = handle.engine().membership();
    let own = handle.engine().member_id();
    let said = membership.members().map(async |member| {
        let version = match member.id == own {
            true => proto::limits::SERVER_VERSION.parse().ok(),
            false => version(handle, member).await,
        };
        (member.id, version)
    });
    futures_util::future::join_all(said)
        .await
        .into_iter()
        .collect()
}

async fn version(handle: &Handle, member: &Member) -> Option<Version> {
    let question = Question::get("/version");
    let client = handle.engine().peer_client();
    match ask_any(client, &member.peer_urls, &question, ANSWER_LIMIT).await {
        Ok(answer) => answers::server_version(&answer.body),
        Err(error) => {
            let error = crate::engine::describe(&error);
            tracing::warn!("remote-member-id" = %member.id, error, "failed to get version");
            None
        }
    }
}

async fn decide(handle: &Handle, versions: &Versions) {
    let membership = handle.engine().membership();
    let Some(version) = membership.decide_version(versions) else {
        return;
    };
    let set = ClusterVersionSetRequest {
        ver: version.to_string(),
    };
    let request = InternalRaftRequest {
        cluster_version_set: Some(set),
        ..InternalRaftRequest::default()
    };
    let shown = version.in_brief();
    match membership.version() {
        None => {
            tracing::info!("cluster-version" = %shown, "setting up initial cluster version using v3 API");
        }
        Some(from) => tracing::info!(
            from = %from.in_brief(),
            to = %shown,
            "updating cluster version using v3 API"
        ),
    }
    match handle.propose(request).await {
        Ok(_) => tracing::info!("cluster-version" = %shown, "cluster version is updated"),
        Err(error) => {
            tracing::warn!("cluster-version" = %version, error = error.text(), "failed to update the cluster version");
        }
    }
}

async fn end_downgrade(handle: &Handle, versions: &Versions) {
    if !handle.engine().membership().is_downgraded(versions) {
        return;
    }
    let request = InternalRaftRequest {
        downgrade_info_set: Some(DowngradeInfoSetRequest::default()),
        ..InternalRaftRequest::default()
    };
    match handle.propose(request).await {
        Ok(_) => tracing::info!("the cluster has been downgraded"),
        Err(error) => tracing::warn!(error = error.text(), "failed to end the downgrade"),
    }
}
