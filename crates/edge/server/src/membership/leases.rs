//! Leases in a cluster: the leader keeps the deadlines, the others ask it.
//!
//! A leader that has not ticked for a while may have been replaced without knowing: it proves itself
//! before it renews, since its answer would be worth nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use lease::{RenewError, TimeToLive};
use prost::Message as _;
use proto::error::Error;
use proto::etcdserverpb::{
    InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest, LeaseKeepAliveRequest,
    LeaseKeepAliveResponse, LeaseTimeToLiveRequest,
};
use proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use rpc::Status;
use tokio::time::sleep;
use types::LeaseId;

use super::ask::{Question, ask_any};
use crate::engine::Handle;

/// Pause between two looks at what has to happen first: an applied entry, a revocation.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Pause before the leader is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a lease operation waits for what is committed to be applied.
const APPLY_WAIT: Duration = Duration::from_secs(1);

/// Why a lease operation has no answer here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaseError {
    /// There is no such lease.
    NotFound,
    /// This member does not lead.
    NotPrimary,
    /// Applying lags too far behind.
    Late,
    /// Something else.
    Other(Status),
}

/// Asks in each turn whether the caller may have what it wants.
pub(crate) type Permit<'a> = &'a dyn Fn() -> Result<(), Status>;

/// What is left of a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) ttl: i64,
    pub(crate) granted: i64,
    pub(crate) keys: Vec<Bytes>,
}

/// Waits until everything that is committed by now is applied.
pub(crate) async fn caught_up(handle: &Handle) -> Result<(), Error> {
    let status = handle.engine().status();
    let committed = status.committed();
    let deadline = Instant::now() + APPLY_WAIT;
    while status.applied() < committed {
        if Instant::now() >= deadline {
            return Err(Error::TimeoutWaitAppliedIndex);
        }
        sleep(LOOK_PAUSE).await;
    }
    Ok(())
}

/// The peer URLs of the leader, if it is another member.
pub(crate) fn leader_urls(handle: &Handle) -> Option<Vec<String>> {
    let engine = handle.engine();
    let leader = engine.status().leader();
    let membership = engine.membership();
    let leader = membership.member(leader)?;
    (leader.id != engine.member_id()).then(|| leader.peer_urls.clone())
}

/// Makes sure that nobody else leads, if this leader cannot know.
pub(crate) async fn prove_leadership(handle: &Handle) -> Result<(), Error> {
    match handle.engine().may_be_isolated() {
        true => handle.linearizable().await,
        false => Ok(()),
    }
}

/// The time to live of a lease that this leader has renewed.
pub(crate) async fn renew_here(
    handle: &Handle,
    id: LeaseId,
    permit: Permit<'_>,
) -> Result<i64, LeaseError> {
    let engine = handle.engine();
    if !engine.is_leader() {
        return Err(LeaseError::NotPrimary);
    }
    let proved = prove_leadership(handle).await;
    proved.map_err(|error| LeaseError::Other(error.into()))?;
    let deadline = Instant::now() + engine.limits().request_timeout;
    let mut is_caught_up = false;
    loop {
        permit().map_err(LeaseError::Other)?;
        let renewed = engine.leases().lock().renew(id, engine.now());
        match renewed {
            Ok(renewed) => {
                if renewed.clears_checkpoint {
                    let cleared = clear_checkpoint(handle, id).await;
                    cleared.map_err(|error| LeaseError::Other(error.into()))?;
                }
                return Ok(renewed.ttl);
            }
            Err(RenewError::NotPrimary) => return Err(LeaseError::NotPrimary),
            Err(RenewError::NotFound) if is_caught_up => return Err(LeaseError::NotFound),
            Err(RenewError::NotFound) => {
                // The grant may be committed but not yet applied.
                caught_up(handle).await.map_err(|_| LeaseError::Late)?;
                is_caught_up = true;
            }
            Err(RenewError::Expired) if Instant::now() >= deadline => {
                return Err(LeaseError::Other(Error::Timeout.into()));
            }
            Err(RenewError::Expired) => sleep(LOOK_PAUSE).await,
        }
    }
}

/// The time to live of a lease renewed here or by the leader; zero for one that is not there.
pub(crate) async fn renew(handle: &Handle, id: LeaseId, permit: Permit<'_>) -> Result<i64, Status> {
    let deadline = Instant::now() + handle.engine().limits().request_timeout;
    loop {
        let renewed = match renew_here(handle, id, permit).await {
            Err(LeaseError::NotPrimary) => {
                permit()?;
                renew_there(handle, id).await
            }
            other => other,
        };
        match renewed {
            Ok(ttl) => return Ok(ttl),
            Err(LeaseError::NotFound) => return Ok(0),
            Err(LeaseError::Late) => return Err(Error::TimeoutWaitAppliedIndex.into()),
            Err(LeaseError::Other(error)) => return Err(error),
            Err(LeaseError::NotPrimary) => wait_for_leader(handle, deadline).await?,
        }
    }
}

/// What is left of a lease, if this member leads.
pub(crate) async fn time_to_live_here(
    handle: &Handle,
    id: LeaseId,
    keys: bool,
) -> Result<Left, LeaseError> {
    let engine = handle.engine();
    if !engine.is_leader() {
        return Err(LeaseError::NotPrimary);
    }
    caught_up(handle).await.map_err(|_| LeaseError::Late)?;
    let leases = engine.leases().lock();
    match leases.time_to_live(id, engine.now()) {
        None => Err(LeaseError::NotFound),
        Some(TimeToLive {
            remaining: None, ..
        }) => Err(LeaseError::NotPrimary),
        Some(TimeToLive {
            granted,
            remaining: Some(ttl),
        }) => Ok(Left {
            ttl,
            granted,
            keys: match keys {
                true => leases.keys(id).cloned().collect(),
                false => Vec::new(),
            },
        }),
    }
}

/// What is left of a lease, asked here or of the leader; none for one that is not there.
pub(crate) async fn time_to_live(
    handle: &Handle,
    id: LeaseId,
    keys: bool,
) -> Result<Option<Left>, Status> {
    let deadline = Instant::now() + handle.engine().limits().request_timeout;
    loop {
        let left = match time_to_live_here(handle, id, keys).await {
            Err(LeaseError::NotPrimary) => time_to_live_there(handle, id, keys).await,
            other => other,
        };
        match left {
            Ok(left) => return Ok(Some(left)),
            Err(LeaseError::NotFound) => return Ok(None),
            Err(LeaseError::Late) => return Err(Error::TimeoutWaitAppliedIndex.into()),
            Err(LeaseError::Other(error)) => return Err(error),
            Err(LeaseError::NotPrimary) => wait_for_leader(handle, deadline).await?,
        }
    }
}

async fn wait_for_leader(handle: &Handle, deadline: Instant) -> Result<(), Error> {
    if Instant::now() >= deadline {
        return Err(match handle.engine().status().leader().is_none() {
            true => Error::NoLeader,
            false => Error::Timeout,
        });
    }
    sleep(RETRY_PAUSE).await;
    Ok(())
}

/// Undoes a checkpoint that says less than the renewed lease has.
async fn clear_checkpoint(handle: &Handle, id: LeaseId) -> Result<(), Error> {
    let checkpoints = vec![LeaseCheckpoint {
        id: id.0,
        remaining_ttl: 0,
    }];
    let request = InternalRaftRequest {
        lease_checkpoint: Some(LeaseCheckpointRequest { checkpoints }),
        ..InternalRaftRequest::default()
    };
    handle.propose(request).await.map(drop)
}

/// Asks the leader to renew; anything but a clear answer is asked again.
async fn renew_there(handle: &Handle, id: LeaseId) -> Result<i64, LeaseError> {
    let request = LeaseKeepAliveRequest { id: id.0 };
    let body = request.encode_to_vec().into();
    let answer = ask_leader(handle, "/leases", body).await?;
    let answer = LeaseKeepAliveResponse::decode(answer).map_err(|_| LeaseError::NotPrimary)?;
    match answer.id == id.0 {
        true => Ok(answer.ttl),
        false => Err(LeaseError::NotPrimary),
    }
}

async fn time_to_live_there(handle: &Handle, id: LeaseId, keys: bool) -> Result<Left, LeaseError> {
    let request = LeaseInternalRequest {
        lease_time_to_live_request: Some(LeaseTimeToLiveRequest { id: id.0, keys }),
    };
    let body = request.encode_to_vec().into();
    let answer = ask_leader(handle, "/leases/internal", body).await?;
    let answer = LeaseInternalResponse::decode(answer).map_err(|_| LeaseError::NotPrimary)?;
    let answer = answer.lease_time_to_live_response;
    let answer = answer.filter(|answer| answer.id == id.0);
    let answer = answer.ok_or(LeaseError::NotPrimary)?;
    Ok(Left {
        ttl: answer.ttl,
        granted: answer.granted_ttl,
        keys: answer.keys,
    })
}

async fn ask_leader(handle: &Handle, path: &str, body: Bytes) -> Result<Bytes, LeaseError> {
    let urls = leader_urls(handle).ok_or(LeaseError::NotPrimary)?;
    let question =
        Question::post(path, body).with(http::header::CONTENT_TYPE, "application/protobuf");
    let limit = handle.engine().limits().request_timeout;
    let answer = ask_any(handle.engine().peer_client(), &urls, &question, limit).await;
    let answer = answer.map_err(|_| LeaseError::NotPrimary)?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        StatusCode::NOT_FOUND => Err(LeaseError::NotFound),
        _ => Err(LeaseError::NotPrimary),
    }
}
