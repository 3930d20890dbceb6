//! The Lease service.
//!
//! Granting and revoking go through the log. Renewals are the leader's own: its table keeps the
//! deadlines, and the other members pass on what they are asked ([`leases`]).

use apply::Response;
use bytes::Bytes;
use proto::etcdserverpb::{
    InternalRaftRequest, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest,
    LeaseKeepAliveResponse, LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest,
    LeaseRevokeResponse, LeaseStatus, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use proto::limits::LEASE_OVERHEAD_BYTES;
use rpc::{Call, Inbound, Outbound, Status};
use tokio::task::yield_now;
use types::LeaseId;

use super::identity::Identity;
use super::{Services, decode, encode, error};
use crate::membership::leases::{self, Left};

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
        // Asked again in each turn: the lease may have come to exist, or to hold keys.
        let permit = || {
            self.permit_known(caller)?;
            self.permit(caller, |permit| permit.lease_write(id))
        };
        leases::renew(&self.handle, id, &permit).await
    }

    pub(super) async fn lease_time_to_live(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let LeaseTimeToLiveRequest { id, keys } = decode(request)?;
        let left = leases::time_to_live(&self.handle, LeaseId(id), keys).await?;
        if keys && left.is_some() {
            self.permit(caller, |permit| permit.readable_keys(LeaseId(id)).map(drop))?;
            self.still_permitted(caller)?;
        }
        let left = left.unwrap_or(Left {
            ttl: NO_LEASE_TTL,
            ..Left::default()
        });
        let header = Some(self.header_now());
        Ok(encode(&LeaseTimeToLiveResponse {
            header,
            id,
            ttl: left.ttl,
            granted_ttl: left.granted,
            keys: left.keys,
        }))
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
}
