//! The calls of the API, answered by members.
//!
//! What the proxy need not understand goes on as the bytes that it is. It looks into what is
//! shared (reads, watches, renewals), what it answers itself (the list of members), and, with a
//! namespace, into everything that names keys.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use bytes::Bytes;
use client::Client;
use prost::Message;
use proto::Method;
use proto::etcdserverpb::{LeaseTimeToLiveResponse, MemberListRequest};
use proto::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderRequest, LeaderResponse, ProclaimRequest,
    ResignRequest,
};
use proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest};
use rpc::{Call, Handler, Inbound, Outbound, Status};

use super::backend::Backend;
use super::cache::Cache;
use super::failure::status;
use super::leasing::Leasing;
use super::namespace::Namespace;
use super::registry::Registry;
use super::renewals::Renewals;
use super::routes::{Route, Routed, routes};
use super::watch;
use super::who::Who;

/// What all connection threads share.
pub(super) struct Shared {
    pub(super) namespace: Arc<Namespace>,
    pub(super) cache: Arc<Cache>,
    pub(super) groups: Arc<watch::groups::Groups>,
    pub(super) renewals: Arc<Renewals>,
    pub(super) registry: Arc<Registry>,
    /// The keys that are owned, where that is wanted.
    pub(super) leasing: Option<Arc<Leasing>>,
    /// The newest revision that anybody has seen, where none may see an older one.
    pub(super) order: Option<AtomicI64>,
    /// Whether every call is written to the log.
    pub(super) logs_calls: bool,
}

/// Answers the calls of one connection thread.
pub(super) struct Services {
    pub(super) shared: Arc<Shared>,
    backend: Arc<Backend>,
    hub: Rc<watch::Hub>,
}

impl Services {
    pub(super) fn new(shared: Arc<Shared>, backend: Arc<Backend>) -> Self {
        let hub = watch::Hub {
            backend: Arc::clone(&backend),
            groups: Arc::clone(&shared.groups),
            namespace: Arc::clone(&shared.namespace),
        };
        Self {
            shared,
            backend,
            hub: Rc::new(hub),
        }
    }

    /// A client with the rights and the deadline of a call.
    fn client(&self, who: &Who, call: &Call) -> Result<Client, Status> {
        let client = self.backend.client_of(who).map_err(status)?;
        Ok(match call.deadline() {
            None => client,
            Some(deadline) => {
                client.within(deadline.saturating_duration_since(tokio::time::Instant::now()))
            }
        })
    }

    async fn answer(
        &self,
        routed: &'static Routed,
        call: &Call,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let who = Who::of(call);
        let client = &self.client(&who, call)?;
        match routed.route {
            Route::Range => self.range(client, &who, request).await,
            Route::Put => self.put(client, &who, request).await,
            Route::DeleteRange => self.delete_range(client, &who, request).await,
            Route::Txn => self.txn(client, &who, request).await,
            Route::Compact => self.compact(client, request).await,
            Route::MemberList => self.member_list(routed, client, request).await,
            // Who may read what is decided anew.
            Route::AuthEnable => {
                let answer = client.relay(&routed.path, false, request).await;
                self.shared.cache.clear();
                if let Some(leasing) = &self.shared.leasing {
                    leasing.clear();
                }
                answer.map_err(status)
            }
            Route::Relayed { repeatable } => {
                let answer = client.relay(&routed.path, repeatable, request).await;
                answer.map_err(status)
            }
            _ if self.shared.namespace.is_whole() => {
                let repeatable = matches!(routed.route, Route::LeaseTimeToLive | Route::Leader);
                let answer = client.relay(&routed.path, repeatable, request).await;
                answer.map_err(status)
            }
            _ => self.answer_inside(routed, client, request).await,
        }
    }

    /// Calls that name keys, within a namespace.
    async fn answer_inside(
        &self,
        routed: &'static Routed,
        client: &Client,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let namespace = &self.shared.namespace;
        let entered = match routed.route {
            Route::Lock => changed(request, |it: &mut LockRequest| {
                namespace.enter(&mut it.name)
            })?,
            Route::Unlock => changed(request, |it: &mut UnlockRequest| {
                namespace.enter(&mut it.key)
            })?,
            Route::Campaign => changed(request, |it: &mut CampaignRequest| {
                namespace.enter(&mut it.name)
            })?,
            Route::Proclaim => changed(request, |it: &mut ProclaimRequest| {
                namespace.enter_leader(&mut it.leader);
            })?,
            Route::Resign => changed(request, |it: &mut ResignRequest| {
                namespace.enter_leader(&mut it.leader);
            })?,
            Route::Leader | Route::Observe => changed(request, |it: &mut LeaderRequest| {
                namespace.enter(&mut it.name)
            })?,
            _ => request,
        };
        let repeatable = matches!(routed.route, Route::LeaseTimeToLive | Route::Leader);
        let answer = client.relay(&routed.path, repeatable, entered).await;
        let answer = answer.map_err(status)?;
        match routed.route {
            Route::Lock => self.leave(answer, |namespace, it: &mut LockResponse| {
                namespace.leave(&mut it.key);
            }),
            Route::Campaign => self.leave(answer, |namespace, it: &mut CampaignResponse| {
                namespace.leave_leader(&mut it.leader);
            }),
            Route::Leader => self.leave(answer, |namespace, it: &mut LeaderResponse| {
                namespace.leave_pair(&mut it.kv);
            }),
            Route::LeaseTimeToLive => {
                self.leave(answer, |namespace, it: &mut LeaseTimeToLiveResponse| {
                    namespace.leased(it);
                })
            }
            _ => Ok(answer),
        }
    }

    async fn member_list(
        &self,
        routed: &'static Routed,
        client: &Client,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let _: MemberListRequest = decode(request.clone())?;
        match self.shared.registry.members(&self.backend).await {
            Some(members) => Ok(encode(&members.map_err(status)?)),
            None => client
                .relay(&routed.path, true, request)
                .await
                .map_err(status),
        }
    }

    async fn serve(
        &self,
        routed: &'static Routed,
        call: &Call,
        mut inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let who = Who::of(call);
        match routed.route {
            Route::Watch => {
                return watch::serve(Rc::clone(&self.hub), who, inbound, outbound).await;
            }
            Route::LeaseKeepAlive => {
                return Arc::clone(&self.shared.renewals)
                    .serve(who, inbound, outbound)
                    .await;
            }
            _ => {}
        }
        let client = self.client(&who, call)?;
        let request = match inbound.next().await {
            Some(message) => message?,
            None => return Err(Status::undecodable()),
        };
        if matches!(routed.route, Route::RangeStream) {
            return self.range_stream(&client, request, outbound).await;
        }
        let namespace = &self.shared.namespace;
        let is_observed = matches!(routed.route, Route::Observe) && !namespace.is_whole();
        let request = match is_observed {
            true => changed(request, |it: &mut LeaderRequest| {
                namespace.enter(&mut it.name)
            })?,
            false => request,
        };
        let opened = client.relay_stream(&routed.path, request).await;
        let mut stream = opened.map_err(status)?;
        while let Some(client::Raw(message)) = stream.next().await.map_err(status)? {
            let message = match is_observed {
                true => self.leave(message, |namespace, it: &mut LeaderResponse| {
                    namespace.leave_pair(&mut it.kv);
                })?,
                false => message,
            };
            let sent = outbound.send(message).await;
            sent.map_err(|_| Status::cancelled())?;
        }
        Ok(())
    }

    /// Writes a call to the log, where that is wanted.
    fn log(&self, call: &Call, began: Instant, failure: Option<&Status>) {
        if self.shared.logs_calls {
            let method = proto::METHODS[usize::from(call.method.0)];
            let code = failure.map_or("OK", |status| status.code.name());
            tracing::info!(
                service = method.service,
                method = method.name,
                code,
                took = ?began.elapsed(),
                "finished call"
            );
        }
    }
}

impl Handler for Services {
    const METHODS: &'static [Method] = &proto::METHODS;

    async fn unary(self: Rc<Self>, call: Call, request: Bytes) -> Result<Bytes, Status> {
        let began = Instant::now();
        let answer = self
            .answer(&routes()[usize::from(call.method.0)], &call, request)
            .await;
        self.log(&call, began, answer.as_ref().err());
        answer
    }

    async fn stream(
        self: Rc<Self>,
        call: Call,
        inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let began = Instant::now();
        let routed = &routes()[usize::from(call.method.0)];
        let outcome = Box::pin(self.serve(routed, &call, inbound, outbound)).await;
        self.log(&call, began, outcome.as_ref().err());
        outcome
    }
}

pub(super) fn decode<M: Message + Default>(request: Bytes) -> Result<M, Status> {
    M::decode(request).map_err(|_| Status::undecodable())
}

pub(super) fn encode(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// A request that was changed.
fn changed<M: Message + Default>(
    request: Bytes,
    change: impl FnOnce(&mut M),
) -> Result<Bytes, Status> {
    let mut decoded = decode(request)?;
    change(&mut decoded);
    Ok(encode(&decoded))
}
