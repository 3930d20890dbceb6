//! The Lease service.
//!
//! Granting and revoking go through the log. Renewals are the leader's own: its table keeps the
//! deadlines, and a member that is not primary knows none.

use std::time::Duration;

use apply::Response;
use bytes::Bytes;
use lease::{RenewError, Renewed, TimeToLive};
use proto::error::Error;
use proto::etcdserverpb::{
    InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest, LeaseGrantRequest,
    LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use proto::limits::LEASE_OVERHEAD_BYTES;
use rpc::{Call, Inbound, Outbound, Status};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use types::LeaseId;

use super::identity::Identity;
use super::{Services, decode, encode, error};

/// Pause between two looks at what has to happen first: a leader, an applied entry, a revocation.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// How long a lease operation waits for what is committed to be applied.
const APPLY_WAIT: Duration = Duration::from_secs(1);
/// Leases whose keys are looked at before other calls of the thread have their turn.
const LEASES_AT_ONCE: usize = 100;
/// The time to live of a lease that is not there.
const NO_LEASE_TTL: i64 = -1;

impl Services {
    pub(super) async fn lease_grant(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let mut request: LeaseGrantRequest = decode(request)?;
        self.check_room(LEASE_OVERHEAD_BYTES)?;
        while request.id == 0 {
            request.id = (self.handle.next_id().0 & i64::MAX.cast_unsigned()).cast_signed();
        }
        let request = InternalRaftRequest {
            lease_grant: Some(request),
            ..InternalRaftRequest::default()
        };
        let (response, revision) = self.propose(caller, request).await?;
        let Response::LeaseGrant { id, ttl } = response else {
            return Err(error::mismatched());
        };
        let header = Some(self.header(revision));
        Ok(encode(&LeaseGrantResponse {
            header,
            id: id.0,
            ttl,
            ..LeaseGrantResponse::default()
        }))
    }

    pub(super) async fn lease_revoke(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let request: LeaseRevokeRequest = decode(request)?;
        let request = InternalRaftRequest {
            lease_revoke: Some(request),
            ..InternalRaftRequest::default()
        };
        let (_, revision) = self.propose(caller, request).await?;
        Ok(encode(&LeaseRevokeResponse {
            header: Some(self.header(revision)),
        }))
    }

    pub(super) async fn lease_keep_alive(
        &self,
        call: &Call,
        mut inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        while let Some(request) = inbound.next().await {
            let LeaseKeepAliveRequest { id } = decode(request?)?;
            // The header says what was true before the renewal.
            let header = Some(self.header_now());
            let caller = self.identify(call).await?;
            let ttl = self.renew(&caller, LeaseId(id)).await?;
            if ttl > 0 {
                self.engine().meters().lease_renewed();
            }
            let response = LeaseKeepAliveResponse { header, id, ttl };
            if outbound.send(encode(&response)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The time to live after a renewal; zero for a lease that is not there.
    async fn renew(&self, caller: &Identity, id: LeaseId) -> Result<i64, Status> {
        let deadline = Instant::now() + self.engine().limits().request_timeout;
        let mut is_caught_up = false;
        loop {
            // Asked again in each turn: the lease may have come to exist, or to hold keys.
            self.permit_known(caller)?;
            self.permit(caller, |permit| permit.lease_write(id))?;
            let renewed = self.engine().leases().lock().renew(id, self.engine().now());
            let on_timeout = match renewed {
                Ok(Renewed {
                    ttl,
                    clears_checkpoint,
                }) => {
                    if clears_checkpoint {
                        self.clear_checkpoint(id).await?;
                    }
                    return Ok(ttl);
                }
                Err(RenewError::NotFound) if is_caught_up => return Ok(0),
                Err(RenewError::NotFound) => {
                    // The grant may be committed but not yet applied.
                    self.caught_up().await?;
                    is_caught_up = true;
                    continue;
                }
                Err(RenewError::Expired) => Error::Timeout,
                Err(RenewError::NotPrimary) => Error::NoLeader,
            };
            if Instant::now() >= deadline {
                return Err(on_timeout.into());
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Undoes a checkpoint that says less than the renewed lease has.
    async fn clear_checkpoint(&self, id: LeaseId) -> Result<(), Status> {
        let checkpoints = vec![LeaseCheckpoint {
            id: id.0,
            remaining_ttl: 0,
        }];
        let request = InternalRaftRequest {
            lease_checkpoint: Some(LeaseCheckpointRequest { checkpoints }),
            ..InternalRaftRequest::default()
        };
        // The caller was allowed to renew: what follows from that is the server's own doing.
        let applied = self.handle.propose(request).await?;
        applied.result.map(drop).map_err(error::rejected)
    }

    pub(super) async fn lease_time_to_live(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let LeaseTimeToLiveRequest { id, keys } = decode(request)?;
        self.caught_up().await?;
        let (ttl, granted_ttl) = self.time_to_live(LeaseId(id)).await?;
        let mut shown = Vec::new();
        if keys && ttl != NO_LEASE_TTL {
            self.permit(caller, |permit| {
                shown = permit.readable_keys(LeaseId(id))?;
                Ok(())
            })?;
            self.still_permitted(caller)?;
        }
        let header = Some(self.header_now());
        Ok(encode(&LeaseTimeToLiveResponse {
            header,
            id,
            ttl,
            granted_ttl,
            keys: shown,
        }))
    }

    /// What is left of a lease and what it was granted.
    async fn time_to_live(&self, id: LeaseId) -> Result<(i64, i64), Status> {
        let deadline = Instant::now() + self.engine().limits().request_timeout;
        loop {
            let leases = self.engine().leases();
            let found = leases.lock().time_to_live(id, self.engine().now());
            match found {
                None => return Ok((NO_LEASE_TTL, 0)),
                Some(TimeToLive {
                    granted,
                    remaining: Some(left),
                }) => return Ok((left, granted)),
                Some(TimeToLive {
                    remaining: None, ..
                }) if Instant::now() >= deadline => {
                    return Err(Error::NoLeader.into());
                }
                Some(TimeToLive {
                    remaining: None, ..
                }) => sleep(RETRY_PAUSE).await,
            }
        }
    }

    pub(super) async fn lease_leases(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let LeaseLeasesRequest {} = decode(request)?;
        self.permit_known(caller)?;
        let ids = self.engine().leases().lock().list();
        self.permit_leases(caller, &ids).await?;
        let leases = ids.into_iter().map(|id| LeaseStatus { id: id.0 }).collect();
        Ok(encode(&LeaseLeasesResponse {
            header: Some(self.header_now()),
            leases,
        }))
    }

    /// Refuses who may not read the keys of all these leases.
    async fn permit_leases(&self, caller: &Identity, ids: &[LeaseId]) -> Result<(), Status> {
        for ids in ids.chunks(LEASES_AT_ONCE) {
            self.permit(caller, |permit| {
                ids.iter()
                    .try_for_each(|id| permit.readable_keys(*id).map(drop))
            })?;
            yield_now().await;
        }
        self.still_permitted(caller)
    }

    /// Waits until everything that is committed by now is applied.
    pub(super) async fn caught_up(&self) -> Result<(), Error> {
        let status = self.engine().status();
        let committed = status.committed();
        let deadline = Instant::now() + APPLY_WAIT;
        while status.applied() < committed {
            if Instant::now() >= deadline {
                return Err(Error::TimeoutWaitAppliedIndex);
            }
            sleep(RETRY_PAUSE).await;
        }
        Ok(())
    }
}
