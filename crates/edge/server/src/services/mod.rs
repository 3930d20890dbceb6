//! The services of the client API: from an encoded request to an encoded reply.
//!
//! One [`Services`] lives on each connection thread. The order of the checks is the API's: learner,
//! metadata, quota, the request's own shape; then a write is proposed and a read is served here.
//! Records go from the store into replies as the bytes that they are ([`reply`]).

mod auth;
mod call;
mod cluster;
mod concurrency;
mod downgrade;
mod duplicates;
pub(crate) mod error;
mod gate;
mod health;
mod identity;
mod kv;
mod lease;
mod maintenance;
mod observe;
mod off_thread;
mod peer_urls;
mod range_stream;
mod read_txn;
mod reply;
mod snapshot;
mod validate;
mod watch;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apply::Applied;
use bytes::Bytes;
use futures_util::future::Either;
use prost::Message;
use proto::Method;
use proto::error::Error;
use proto::etcdserverpb::{AlarmType, InternalRaftRequest, ResponseHeader};
use rpc::{Call, Handler, Inbound, MethodId, Outbound, Status};

use crate::engine::{Engine, Handle};
use call::{Known, Needs};
use identity::Identity;

pub(crate) use error::internal;
pub use observe::UsageConfig;
pub(crate) use observe::{Observers, Row, Usage};
pub(crate) use watch::{HubMetrics, Lag, Lags};

/// Pause between two looks at whether the NOSPACE alarm is raised.
const ALARM_PAUSE: Duration = Duration::from_millis(2);

/// Answers all gRPC calls of one connection thread.
pub(crate) struct Services {
    handle: Handle,
    known: Box<[Known]>,
    /// None when nobody wants to know of calls.
    observers: Option<Arc<Observers>>,
    lags: Arc<Lags>,
}

impl Services {
    /// The services of the thread that `handle` belongs to.
    #[must_use]
    pub(crate) fn new(handle: Handle, observers: Option<Arc<Observers>>, lags: Arc<Lags>) -> Self {
        Self {
            handle,
            known: proto::METHODS.iter().map(Known::of).collect(),
            observers,
            lags,
        }
    }

    fn known(&self, call: &Call) -> Known {
        self.known[usize::from(call.method.0)]
    }

    /// The place of a method in the table, to call it from within.
    fn method(&self, known: Known) -> MethodId {
        let place = self.known.iter().position(|method| *method == known);
        let place = place.and_then(|place| u16::try_from(place).ok());
        MethodId(place.expect("every built method stands in the table"))
    }

    fn engine(&self) -> &Engine {
        self.handle.engine()
    }

    /// The header of an answer that was true at `revision`.
    fn header(&self, revision: i64) -> ResponseHeader {
        let engine = self.engine();
        ResponseHeader {
            cluster_id: engine.cluster_id().0,
            member_id: engine.member_id().0,
            revision,
            raft_term: engine.status().term().0,
        }
    }

    /// The header of an answer that is not about one revision.
    fn header_now(&self) -> ResponseHeader {
        self.header(self.engine().reader().revisions().current)
    }

    /// Has a request applied by the whole cluster; the answer with the revision for its header.
    /// The caller's rights decide when it is applied.
    fn propose<'a>(
        &'a self,
        caller: &'a Identity,
        request: InternalRaftRequest,
    ) -> impl Future<Output = Result<(apply::Response, i64), Status>> + use<'a> {
        // A transaction that touches nothing is everybody's, as in etcd.
        let is_refused = self.permit_known(caller).is_err()
            && self
                .permit(caller, |permit| permit.request(&request))
                .is_err();
        let noted = caller.notes().map(|notes| (notes, Instant::now()));
        // Encoded at once: the message is large, and a future keeps what it holds.
        let applied = self.handle.propose_as(caller.who(), request);
        async move {
            if is_refused {
                Box::pin(self.permit_proposal(caller)).await?;
            }
            let Applied {
                result,
                revision,
                over_quota,
                index,
                ..
            } = applied.await?;
            if let Some((notes, proposed)) = noted {
                self.note_path(notes, proposed, index);
            }
            let response = result.map_err(error::rejected)?;
            if over_quota {
                return Err(Error::NoSpace.into());
            }
            Ok((response, revision))
        }
    }
}

/// Decodes a request.
fn decode<T: Message + Default>(request: Bytes) -> Result<T, Status> {
    T::decode(request).map_err(|_| Status::undecodable())
}

/// The one message of a stream from the server.
async fn only_message(mut inbound: Inbound) -> Result<Bytes, Status> {
    match inbound.next().await {
        Some(message) => message,
        None => Err(Status::undecodable()),
    }
}

/// Encodes a reply that has no records in it.
fn encode(reply: &impl Message) -> Bytes {
    Bytes::from(reply.encode_to_vec())
}

impl Handler for Services {
    const METHODS: &'static [Method] = &proto::METHODS;

    fn unary(
        self: Rc<Self>,
        call: Call,
        request: Bytes,
    ) -> impl Future<Output = Result<Bytes, Status>> + 'static {
        match self.observers(&call) {
            None => Either::Left(self.answer_unary(call, request)),
            Some(_) => Either::Right(Box::pin(self.observed_unary(call, request))),
        }
    }

    fn stream(
        self: Rc<Self>,
        call: Call,
        inbound: Inbound,
        outbound: Outbound,
    ) -> impl Future<Output = Result<(), Status>> + 'static {
        match self.observers(&call) {
            None => Either::Left(self.answer_stream(call, inbound, outbound)),
            Some(_) => Either::Right(Box::pin(self.observed_stream(call, inbound, outbound))),
        }
    }
}

impl Services {
    async fn answer_unary(self: Rc<Self>, call: Call, request: Bytes) -> Result<Bytes, Status> {
        let known = self.known(&call);
        self.check_unary(known, &call)?;
        let answer = match known {
            Known::Range => self.range(&call, request).await,
            Known::Put => self.put(&call, request).await,
            Known::DeleteRange => self.delete_range(&call, request).await,
            Known::Txn => self.txn(&call, request).await,
            Known::Lock
            | Known::Unlock
            | Known::Campaign
            | Known::Proclaim
            | Known::Leader
            | Known::Resign => {
                // What it calls in turn has its own consequences.
                return Box::pin(self.concurrency(known, call, request)).await;
            }
            // The rare calls must not make the future of every call larger.
            _ => Box::pin(self.rare(known, &call, request)).await,
        };
        match answer {
            Err(refusal) if refusal == Status::from(Error::NoSpace) => {
                Box::pin(self.alarmed(refusal)).await
            }
            answer => answer,
        }
    }

    async fn answer_stream(
        self: Rc<Self>,
        call: Call,
        inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let known = self.known(&call);
        self.check_stream(known, &call)?;
        let requires_leader = call.requires_leader();
        let answered = async {
            match known {
                Known::RangeStream => self.range_stream(&call, inbound, outbound).await,
                Known::Watch => self.watch(&call, inbound, outbound).await,
                Known::LeaseKeepAlive => self.lease_keep_alive(&call, inbound, outbound).await,
                Known::Snapshot => {
                    self.admit(known, &call).await?;
                    self.snapshot(inbound, outbound).await
                }
                Known::Observe => {
                    let request = only_message(inbound).await?;
                    let services = Rc::clone(&self);
                    Box::pin(services.election_observe(call, request, outbound)).await
                }
                Known::HealthWatch => health::watch(inbound, outbound).await,
                _ => Err(unimplemented(&call)),
            }
        };
        self.while_led(requires_leader, answered).await
    }

    /// Whoever is refused for want of space finds the alarm raised, as in etcd. It is raised in the
    /// background; without a leader it cannot be.
    async fn alarmed(&self, refusal: Status) -> Result<Bytes, Status> {
        let raised = async {
            while !self.engine().alarms().is_active(AlarmType::Nospace) {
                tokio::time::sleep(ALARM_PAUSE).await;
            }
        };
        let limit = self.engine().limits().request_timeout;
        // The answer is the same either way.
        let _ = tokio::time::timeout(limit, raised).await;
        Err(refusal)
    }

    /// Finds out who calls, and refuses who cannot show what every call of the method needs.
    async fn admit(&self, known: Known, call: &Call) -> Result<Identity, Status> {
        if known.needs() == Needs::Nothing {
            return Ok(Identity::default());
        }
        let caller = self.identify(call).await?;
        match known.needs() {
            Needs::Nothing | Needs::Identity => {}
            Needs::User => self.permit_known(&caller)?,
            Needs::Root => self.permit_admin(&caller)?,
            Needs::RootInLog => self.permit_admin_surely(&caller).await?,
        }
        Ok(caller)
    }

    async fn rare(&self, known: Known, call: &Call, request: Bytes) -> Result<Bytes, Status> {
        let caller = &self.admit(known, call).await?;
        match known {
            Known::Compact => self.compact(caller, request).await,
            Known::LeaseGrant => self.lease_grant(caller, request).await,
            Known::LeaseRevoke => self.lease_revoke(caller, request).await,
            Known::LeaseTimeToLive => self.lease_time_to_live(caller, request).await,
            Known::LeaseLeases => self.lease_leases(caller, request).await,
            Known::MemberAdd => self.member_add(request).await,
            Known::MemberRemove => self.member_remove(request).await,
            Known::MemberUpdate => self.member_update(request).await,
            Known::MemberPromote => self.member_promote(request, call.token()).await,
            Known::MemberList => self.member_list(request).await,
            Known::Alarm => self.alarm(caller, request).await,
            Known::Status => self.status(request),
            Known::Defragment => self.defragment(request),
            Known::Hash => self.hash(request).await,
            Known::HashKv => self.hash_kv(request).await,
            Known::MoveLeader => self.move_leader(request).await,
            Known::Downgrade => self.downgrade(caller, request).await,
            Known::AuthStatus => self.auth_status(request).await,
            Known::Authenticate => self.authenticate(request).await,
            Known::UserGet => self.user_get(caller, request).await,
            Known::UserList => self.user_list(request).await,
            Known::RoleGet => self.role_get(caller, request).await,
            Known::RoleList => self.role_list(request).await,
            Known::AuthEnable
            | Known::AuthDisable
            | Known::UserAdd
            | Known::UserDelete
            | Known::UserChangePassword
            | Known::UserGrantRole
            | Known::UserRevokeRole
            | Known::RoleAdd
            | Known::RoleDelete
            | Known::RoleGrantPermission
            | Known::RoleRevokePermission => self.change_auth(known, caller, request).await,
            Known::HealthCheck => health::check(request),
            Known::HealthList => health::list(request),
            Known::Unbuilt(method) => Err(Status::unimplemented(method.service, method.name)),
            Known::Range
            | Known::Put
            | Known::DeleteRange
            | Known::Txn
            | Known::RangeStream
            | Known::Watch
            | Known::LeaseKeepAlive
            | Known::Snapshot
            | Known::HealthWatch
            | Known::Lock
            | Known::Unlock
            | Known::Campaign
            | Known::Proclaim
            | Known::Leader
            | Known::Observe
            | Known::Resign => Err(Status::undecodable()),
        }
    }
}

/// Says by name that a method is registered but not built.
fn unimplemented(call: &Call) -> Status {
    let Method { service, name, .. } = proto::METHODS[usize::from(call.method.0)];
    Status::unimplemented(service, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The future of a call is moved onto the heap for every call: it must not grow unnoticed.
    #[test]
    fn futures_are_small() {
        fn size<F>(_: fn(Rc<Services>, Call, Bytes) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(<Services as Handler>::unary);
        assert!(size <= 1184, "{size} bytes");
    }
}
