//! The keeper: what a member does by itself, on a thread and mailbox of its own.
//!
//! It publishes the member, revokes expired leases, compacts by the policy of the flags, raises the
//! NOSPACE alarm, has old log segments removed, and as leader watches over versions and hashes. All
//! of it goes through the log like any client's request.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use auth::Who;
use notation::{duration, size};
use proto::error::Error;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{
    AlarmRequest, AlarmType, InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest,
    LeaseRevokeRequest,
};
use proto::membershippb::{Attributes, ClusterMemberAttrSetRequest};

use tokio::sync::Semaphore;
use types::Term;

use super::compactor::{self, CompactionPolicy};
use super::handle::Handle;
use super::inbox::Inbox;
use super::log_thread::LogInput;
use super::shared::Engine;
use crate::membership::{CorruptionChecks, corruption, versions};

/// How often expired leases are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);
/// Most leases revoked in one round, as etcd does.
const EXPIRY_LIMIT: usize = 500;
/// Most revocations under way at a time.
const REVOKES_IN_FLIGHT: usize = 16;
/// Most leases in one checkpoint, as in etcd.
const CHECKPOINT_LIMIT: usize = 1000;
/// How often log segments are looked through.
const PURGE_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between two looks at what this member has to learn first.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Pause before a request that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What the keeper is told once.
#[derive(Clone, Debug)]
pub(crate) struct Duties {
    pub(crate) name: String,
    pub(crate) client_urls: Vec<String>,
    pub(crate) compaction: Option<CompactionPolicy>,
    pub(crate) max_wals: usize,
    pub(crate) corruption: CorruptionChecks,
    pub(crate) downgrade_check: Duration,
}

/// The duties of a member, ready to be started.
#[derive(Debug)]
pub struct Keeper {
    pub(super) engine: Engine,
    pub(super) thread: usize,
    pub(super) duties: Duties,
    pub(super) log: Inbox<LogInput>,
    pub(super) ready: SyncSender<()>,
}

impl Keeper {
    /// Starts all duties on the current local set.
    pub fn start(self) {
        let Self {
            engine,
            thread,
            duties,
            log,
            ready,
        } = self;
        let handle = Handle::start(engine, thread);
        if let Some(policy) = duties.compaction {
            tokio::task::spawn_local(compactor::run(handle.clone(), policy));
        }
        tokio::task::spawn_local(expire_leases(handle.clone()));
        tokio::task::spawn_local(versions::watch(handle.clone(), duties.downgrade_check));
        if let Some(every) = duties.corruption.periodic {
            tokio::task::spawn_local(corruption::watch_present(handle.clone(), every));
        }
        if let Some(every) = duties.corruption.compactions {
            tokio::task::spawn_local(corruption::watch_compactions(handle.clone(), every));
        }
        tokio::task::spawn_local(purge(log, duties.max_wals));
        tokio::task::spawn_local(raise_alarm_when_told(handle.clone()));
        tokio::task::spawn_local(publish(handle, duties, ready));
    }
}

/// Proposes until it is applied.
async fn insist(handle: &Handle, request: InternalRaftRequest) {
    while handle.propose(request.clone()).await.is_err() {
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn publish(handle: Handle, duties: Duties, ready: SyncSender<()>) {
    // Who joins learns from the log that it belongs to the cluster; real members die of attributes
    // of one that they do not know.
    let own = handle.engine().member_id();
    while handle.engine().membership().member(own).is_none() {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let urls = duties.client_urls.join(" ");
    let shown = format!("{{Name:{} ClientURLs:[{urls}]}}", duties.name);
    let attributes = Attributes {
        name: duties.name,
        client_urls: duties.client_urls,
    };
    let set = ClusterMemberAttrSetRequest {
        member_id: handle.engine().member_id().0,
        member_attributes: Some(attributes),
    };
    insist(
        &handle,
        InternalRaftRequest {
            cluster_member_attr_set: Some(Box::new(set)),
            ..InternalRaftRequest::default()
        },
    )
    .await;
    tracing::info!(
        "local-member-id" = %handle.engine().member_id(),
        "local-member-attributes" = shown,
        "cluster-id" = %handle.engine().cluster_id(),
        "publish-timeout" = duration::format(handle.engine().limits().request_timeout),
        "published local member to cluster through raft"
    );
    // The leader decides the version; clients ask for it at once.
    while handle.engine().membership().version().is_none() {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    // Nobody listens any more when the start was given up.
    let _ = ready.send(());
}

async fn expire_leases(handle: Handle) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let permits = Arc::new(Semaphore::new(REVOKES_IN_FLIGHT));
    loop {
        interval.tick().await;
        let engine = handle.engine();
        let term = engine.status().term();
        if !engine.is_leader() {
            continue;
        }
        checkpoint_leases(&handle, term);
        let expired = engine.leases().lock().expired(engine.now(), EXPIRY_LIMIT);
        for id in expired {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            let handle = handle.clone();
            tokio::task::spawn_local(async move {
                let revoke = LeaseRevokeRequest { id: id.0 };
                let request = InternalRaftRequest {
                    lease_revoke: Some(revoke),
                    ..InternalRaftRequest::default()
                };
                // A failed revocation is offered again by the table.
                let revision = handle.engine().auth().revision();
                let root = Who {
                    user: auth::ROOT,
                    revision,
                };
                // Its successor may have renewed the lease.
                if handle.propose_in(term, root, request).await.is_ok() {
                    handle.engine().meters().lease_expired();
                }
                drop(permit);
            });
        }
    }
}

/// Notes in the log what is left of long leases, so that a new leader does not begin them anew.
fn checkpoint_leases(handle: &Handle, term: Term) {
    let engine = handle.engine();
    let mut leases = engine.leases().lock();
    let due = leases.checkpoints_due(engine.now(), CHECKPOINT_LIMIT);
    drop(leases);
    if due.is_empty() {
        return;
    }
    let checkpoint = |(id, remaining_ttl): (types::LeaseId, i64)| LeaseCheckpoint {
        id: id.0,
        remaining_ttl,
    };
    let checkpoints = due.into_iter().map(checkpoint).collect();
    let request = InternalRaftRequest {
        lease_checkpoint: Some(LeaseCheckpointRequest { checkpoints }),
        ..InternalRaftRequest::default()
    };
    let handle = handle.clone();
    tokio::task::spawn_local(async move {
        let revision = handle.engine().auth().revision();
        let root = Who {
            user: auth::ROOT,
            revision,
        };
        // One that is lost leaves its leases the rest that they had before.
        let _ = handle.propose_in(term, root, request).await;
    });
}

async fn purge(log: Inbox<LogInput>, keep: usize) {
    loop {
        tokio::time::sleep(PURGE_INTERVAL).await;
        log.push(LogInput::Purge(keep));
    }
}

/// Raises NOSPACE for this member whenever a request was refused or marked for want of space.
async fn raise_alarm_when_told(handle: Handle) {
    loop {
        handle.engine().space().exhausted().await;
        let alarm = AlarmRequest {
            action: AlarmAction::Activate.into(),
            member_id: handle.engine().member_id().0,
            alarm: AlarmType::Nospace.into(),
        };
        let request = InternalRaftRequest {
            alarm: Some(alarm),
            ..InternalRaftRequest::default()
        };
        let quota = handle.engine().limits().quota_bytes.unwrap_or_default();
        tracing::warn!(
            "quota-size-bytes" = quota,
            "quota-size" = size::human(quota),
            error = Error::NoSpace.text(),
            "message exceeded backend quota; raising alarm"
        );
        insist(&handle, request).await;
    }
}
