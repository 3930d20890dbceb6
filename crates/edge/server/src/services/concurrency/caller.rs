//! Calls of other services, made for whoever called this one.

use std::rc::Rc;

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest, LeaseGrantResponse, RangeRequest,
    RangeResponse, TxnRequest, TxnResponse, WatchCreateRequest, WatchRequest, WatchResponse,
};
use rpc::{Answers, Call, Handler as _, Inbound, MethodId, Status};

use super::super::{Known, Services, decode, encode};

/// The caller of a service that is made of other services' calls.
pub(super) struct Caller {
    services: Rc<Services>,
    call: Call,
}

impl Caller {
    pub(super) fn new(services: Rc<Services>, call: Call) -> Self {
        Self { services, call }
    }

    pub(super) async fn range(&self, request: &RangeRequest) -> Result<RangeResponse, Status> {
        self.unary(Known::Range, request).await
    }

    pub(super) async fn txn(&self, request: &TxnRequest) -> Result<TxnResponse, Status> {
        self.unary(Known::Txn, request).await
    }

    pub(super) async fn delete(&self, key: Bytes) -> Result<DeleteRangeResponse, Status> {
        let request = DeleteRangeRequest {
            key,
            ..DeleteRangeRequest::default()
        };
        self.unary(Known::DeleteRange, &request).await
    }

    /// The lease of a request, or a fresh one when it names none.
    pub(super) async fn lease(&self, named: i64) -> Result<i64, Status> {
        if named != 0 {
            return Ok(named);
        }
        let request = LeaseGrantRequest {
            ttl: super::LEASE_TTL,
            id: 0,
        };
        let granted: LeaseGrantResponse = self.unary(Known::LeaseGrant, &request).await?;
        Ok(granted.id)
    }

    pub(super) fn watch(&self, create: WatchCreateRequest) -> Watch {
        let request = WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(create)),
        };
        let call = self.call.for_method(self.method(Known::Watch));
        let inbound = Inbound::once(encode(&request));
        Watch(Answers::of(&self.services, call, inbound))
    }

    /// Returns once the server stops.
    pub(super) async fn stopped(&self) {
        self.call.stopped().await;
    }

    async fn unary<T: Message + Default>(
        &self,
        known: Known,
        request: &impl Message,
    ) -> Result<T, Status> {
        let call = self.call.for_method(self.method(known));
        let answer = Rc::clone(&self.services).unary(call, encode(request));
        // Through the door of all calls: a pointer, because this is inside such a call.
        let answer: rpc::Reply = Box::pin(answer);
        decode(answer.await?)
    }

    fn method(&self, known: Known) -> MethodId {
        self.services.method(known)
    }
}

/// A watcher on a stream of its own.
pub(super) struct Watch(Answers);

impl Watch {
    /// The next message; none when the stream has ended.
    pub(super) async fn next(&mut self) -> Result<Option<WatchResponse>, Status> {
        match self.0.next().await {
            Some(message) => decode(message?).map(Some),
            None => Ok(None),
        }
    }
}
